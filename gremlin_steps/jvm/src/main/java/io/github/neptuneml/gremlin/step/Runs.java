package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;

/**
 * The queries that a compiled traversal and its clones become: each has pins and a time of its own, which its steps find
 * by their root. Roots are compared by identity, because traversals with the same steps are equal.
 */
public final class Runs {

    private final PredictionClient client;
    private final List<Query> queries = new ArrayList<>();

    public Runs(final PredictionClient client) {
        this.client = client;
    }

    synchronized Query of(final Traversal.Admin<?, ?> root) {
        queries.removeIf(Query::isGone);
        for (final Query query : queries)
            if (query.isOf(root)) return query;
        final Query query = new Query(client, root);
        queries.add(query);
        return query;
    }

    /**
     * The name of the endpoint that would be asked, if there is one.
     *
     * @param named what the query says, or null
     */
    Optional<String> endpointName(final String named) {
        try {
            return Optional.of(client.reference(named).name());
        } catch (final NeptuneMLException e) {
            return Optional.empty();
        }
    }
}
