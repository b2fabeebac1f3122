package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.Failure;
import java.util.List;
import java.util.function.Predicate;

/** The way from the graph's JVM to predictions: finds endpoints and asks them. One per set of settings; thread-safe. */
public final class PredictionClient {

    private final Settings settings;
    private final EndpointDirectory directory;
    private final WorkerClient workers;
    private final EmbeddingCache embeddings = new EmbeddingCache();

    public PredictionClient(final Settings settings) {
        this.settings = settings;
        final Http http = new Http();
        this.directory = new EndpointDirectory(http, settings.pinReuseMillis());
        this.workers = new WorkerClient(http, directory, settings.maxRequestMib() * 1024L * 1024L);
    }

    /**
     * Reads the endpoint that a query names, or the configured default.
     *
     * @param named what the query says, or null
     */
    public EndpointReference reference(final String named) {
        final String text = named != null ? named : settings.endpoint().orElseThrow(() -> Failure.NO_ENDPOINT.with());
        return EndpointReference.parse(text, settings);
    }

    /**
     * The endpoint as it is now, or was at most {@code pinReuseMillis} ago.
     *
     * @param fresh whether not even a moment ago will do
     * @param budgetMillis how long the caller waits
     */
    public EndpointDescription describe(final EndpointReference reference, final boolean fresh, final long budgetMillis) {
        return directory.describe(reference, fresh, budgetMillis);
    }

    /**
     * Asks for the embeddings of all items.
     *
     * @param budgetMillis how long the caller waits
     * @return one per item, as little-endian float32
     */
    public List<byte[]> embed(final EndpointDescription endpoint, final Invocation invocation, final long budgetMillis,
                              final Counters counters) {
        return workers.embed(endpoint, invocation, budgetMillis, counters);
    }

    /**
     * Which vertices of a label the model knows, by their ids' text.
     *
     * @return null where the endpoint has no table that says so
     */
    public Predicate<String> knownIds(final EndpointDescription endpoint, final String label, final long budgetMillis) {
        return null;
    }

    /** The embeddings of candidates that models do not know, for a while. */
    public EmbeddingCache embeddings() {
        return embeddings;
    }

    /**
     * Asks once for all items.
     *
     * @param budgetMillis how long the caller waits
     * @param counters what the call costs is added to these
     * @return one list per item, best first
     */
    public List<List<Answer>> invoke(final EndpointDescription endpoint, final Invocation invocation, final long budgetMillis,
                                     final Counters counters) {
        return invocation.size() == 0 ? List.of() : workers.invoke(endpoint, invocation, budgetMillis, counters);
    }
}
