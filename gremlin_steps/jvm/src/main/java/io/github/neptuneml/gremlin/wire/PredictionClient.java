package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.Failure;
import java.util.ArrayList;
import java.util.List;

/** The way from the graph's JVM to predictions: finds endpoints and asks them. One per set of settings; thread-safe. */
public final class PredictionClient {

    private final Settings settings;
    private final EndpointDirectory directory;
    private final WorkerClient workers;
    private final AnswerCache cache = new AnswerCache();

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
        final List<String> keys = invocation.keys(endpoint.reference.name() + endpoint.version);
        final List<Integer> missing = new ArrayList<>();
        final List<List<Answer>> answers = new ArrayList<>();
        for (int i = 0; i < keys.size(); i++) {
            answers.add(cache.get(keys.get(i)));
            if (answers.get(i) == null) missing.add(i);
        }
        counters.cacheHits += keys.size() - missing.size();
        if (missing.isEmpty()) return answers;
        int next = 0;
        for (final List<Answer> answer : workers.invoke(endpoint, invocation.only(missing), budgetMillis, counters)) {
            cache.put(keys.get(missing.get(next)), answer);
            answers.set(missing.get(next++), answer);
        }
        return answers;
    }
}
