package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.wire.EmbeddingCache;
import io.github.neptuneml.gremlin.wire.Embeddings;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.util.CloseableIterator;

/** The candidates of a link prediction that the query sees and the model does not know (decision 29). */
final class NewCandidates {

    static final NewCandidates NONE = new NewCandidates();

    private final List<String> ids = new ArrayList<>();
    private final List<byte[]> embeddings = new ArrayList<>();

    private NewCandidates() {
    }

    /**
     * Lists and embeds them.
     *
     * @param label as the query writes it
     * @param known whether the model knows an id
     * @param cache embeddings that other queries may use too, if they see the same
     */
    static NewCandidates of(final Resolved resolved, final String label, final Predicate<String> known, final EmbeddingCache cache) {
        final InductiveAnswers answers = resolved.inductive();
        final List<Vertex> vertices = vertices(resolved, label, known);
        final Map<Vertex, byte[]> rows = new HashMap<>();
        for (final Vertex vertex : vertices) rows.put(vertex, cache.get(key(resolved, vertex)));
        final List<Vertex> open = vertices.stream().filter(vertex -> rows.get(vertex) == null).collect(Collectors.toList());
        final List<byte[]> embedded = answers.embeddings(open, Labels.onWire(label));
        for (int item = 0; item < open.size(); item++) {
            rows.put(open.get(item), embedded.get(item));
            cache.put(key(resolved, open.get(item)), embedded.get(item));
        }
        final NewCandidates found = new NewCandidates();
        for (final Vertex vertex : vertices) {
            found.ids.add(String.valueOf(vertex.id()));
            found.embeddings.add(rows.get(vertex));
        }
        return found;
    }

    private static List<Vertex> vertices(final Resolved resolved, final String label, final Predicate<String> known) {
        final int most = resolved.endpoint.inductive().orElseThrow().maxNewCandidates();
        final List<Vertex> vertices = new ArrayList<>();
        final Iterator<Vertex> all = resolved.inductive().sampler().graph().vertices(label);
        try {
            while (all.hasNext()) {
                final Vertex vertex = all.next();
                if (known.test(String.valueOf(vertex.id()))) continue;
                if (vertices.size() == most) throw Failure.TOO_MANY_NEW_CANDIDATES.with(most, label, resolved.endpoint.name());
                vertices.add(vertex);
            }
        } finally {
            CloseableIterator.closeIterator(all);
        }
        return vertices;
    }

    /** The graph among it: one client serves all graphs of a server. */
    private static List<Object> key(final Resolved resolved, final Vertex vertex) {
        return List.of(vertex.graph(), resolved.endpoint.reference(), resolved.endpoint.version(), resolved.isDeterministic,
                Labels.onWire(vertex.label()), vertex.id());
    }

    int size() {
        return ids.size();
    }

    Invocation addTo(final Invocation invocation) {
        return ids.isEmpty() ? invocation : invocation.with("newCandidates", Embeddings.candidates(ids, embeddings));
    }

    /** A part of the question that they are candidates for. */
    List<String> ids() {
        return ids;
    }
}
