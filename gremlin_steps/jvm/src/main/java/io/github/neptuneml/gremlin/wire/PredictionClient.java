package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.Failure;
import java.util.List;

/** The way from the graph's JVM to predictions: finds endpoints and asks them. One per set of settings; thread-safe. */
public final class PredictionClient {

    private final Settings settings;
    private final EndpointDirectory directory;
    private final WorkerClient workers;

    public PredictionClient(final Settings settings) {
        this.settings = settings;
        final Http http = new Http();
        this.directory = new EndpointDirectory(http, settings.pinReuseMillis());
        this.workers = new WorkerClient(http, directory);
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
     * @param budgetMillis how long the caller waits
     */
    public EndpointDescription describe(final EndpointReference reference, final long budgetMillis) {
        return directory.describe(reference, budgetMillis);
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
