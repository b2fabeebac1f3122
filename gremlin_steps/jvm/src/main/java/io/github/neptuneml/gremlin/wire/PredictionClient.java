package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.table.PredictionTable;
import io.github.neptuneml.gremlin.table.Tables;
import java.util.List;

/** The way from the graph's JVM to predictions: finds endpoints and asks them. One per set of settings; thread-safe. */
public final class PredictionClient {

    private final Settings settings;
    private final EndpointDirectory directory;
    private final WorkerClient workers;
    private final Tables tables;
    private final Http http = new Http();

    public PredictionClient(final Settings settings) {
        this.settings = settings;
        this.directory = new EndpointDirectory(http, settings.pinReuseMillis());
        this.workers = new WorkerClient(http, directory);
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
     * @param budgetMillis how long the caller waits
     */
    public EndpointDescription describe(final EndpointReference reference, final long budgetMillis) {
        return directory.describe(reference, budgetMillis);
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

    /** Whether what has been asked is known afterwards. */
    public boolean keepsAnswers() {
        return settings.cachedAnswers() > 0;
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
        if (settings.cachedAnswers() == 0) return workers.invoke(endpoint, invocation, deadline, counters);
        return endpoint.memory().answers(settings.cachedAnswers()).answers(invocation, deadline, counters,
                missing -> workers.invoke(endpoint, missing, deadline, counters));
    }
}
