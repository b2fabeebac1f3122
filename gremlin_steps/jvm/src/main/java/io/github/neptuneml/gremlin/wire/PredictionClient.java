package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.table.PredictionTable;
import io.github.neptuneml.gremlin.table.Tables;
import java.util.List;
import java.util.function.Predicate;

/** The way from the graph's JVM to predictions: finds endpoints and asks them. One per set of settings; thread-safe. */
public final class PredictionClient {

    private final Settings settings;
    private final EndpointDirectory directory;
    private final WorkerClient workers;
    private final EmbeddingCache embeddings = new EmbeddingCache();
    private final Tables tables;
    private final Http http = new Http();

    /** @throws io.github.neptuneml.gremlin.failure.NeptuneMLException if the default endpoint's name is wrong */
    public PredictionClient(final Settings settings) {
        this.settings = settings;
        settings.endpoint().ifPresent(this::reference);
        this.directory = new EndpointDirectory(http, settings.pinReuseMillis());
        this.workers = new WorkerClient(http, directory, settings.maxRequestMib() * 1024L * 1024L);
        this.tables = new Tables(settings.tableLimitMib() * 1024L * 1024L);
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
        return invocation.size() == 0 ? List.of()
                : workers.embed(endpoint, invocation, new Deadline(endpoint.name(), budgetMillis), counters);
    }

    /**
     * Which vertices of a label the model knows, by their ids' text.
     *
     * @return null where the endpoint has no table that says so
     */
    public Predicate<String> knownIds(final EndpointDescription endpoint, final String label, final long budgetMillis) {
        final PredictionTable table = table(endpoint, label, budgetMillis);
        return table == null ? null : id -> table.place(id) >= 0;
    }

    /** The embeddings of candidates that models do not know, for a while. */
    public EmbeddingCache embeddings() {
        return embeddings;
    }

    /**
     * What the endpoint answers for the vertices of a label without being asked.
     *
     * @param budgetMillis how long the caller waits; half of it is left for asking
     * @return null where there is no such table, or none that can be had
     */
    public PredictionTable table(final EndpointDescription endpoint, final String label, final long budgetMillis) {
        if (!endpoint.tables.containsKey(label)) return null;
        final long wait = budgetMillis / 2;
        return tables.get(endpoint.memory().table(label), "'" + label + "' of endpoint '" + endpoint.name() + "'",
                new TableSource(http, endpoint, label, new Deadline(endpoint.name(), wait)), wait);
    }

    /**
     * Answers all items, asking once for those whose answers are not known yet.
     *
     * @param budgetMillis how long the caller waits
     * @param counters what the call costs is added to these
     * @return one list per item, best first
     */
    public List<List<Answer>> invoke(final EndpointDescription endpoint, final Invocation invocation, final long budgetMillis,
                                     final Counters counters) {
        if (invocation.size() == 0) return List.of();
        final Deadline deadline = new Deadline(endpoint.name(), budgetMillis);
        if (settings.cachedAnswers() == 0 || invocation.isInductive()) return workers.invoke(endpoint, invocation, deadline, counters);
        return endpoint.memory().answers(settings.cachedAnswers()).answers(invocation, deadline, counters,
                missing -> workers.invoke(endpoint, missing, deadline, counters));
    }
}
