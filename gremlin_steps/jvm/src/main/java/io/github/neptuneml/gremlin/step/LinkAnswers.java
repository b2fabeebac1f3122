package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/**
 * The predicted vertices of one batch. What the query may not see, what is joined already and what is gone from the
 * graph does not count towards the limit, so more is asked for until it is filled or the candidates end.
 */
final class LinkAnswers {

    private static final int GROWTH = 4;

    private final Resolved resolved;
    private final String edgeLabel;
    private final String vertexLabel;
    private final boolean tails;
    private final boolean nameTypes;
    private final NewCandidates newCandidates;
    private final Map<Vertex, Set<String>> joined = new LinkedHashMap<>();
    private final Map<Vertex, List<Map.Entry<Vertex, Double>>> answers = new HashMap<>();
    private final Map<String, Vertex> visible = new HashMap<>();
    private final Set<String> judged = new LinkedHashSet<>();

    LinkAnswers(final Resolved resolved, final String edgeLabel, final String vertexLabel, final boolean tails,
                final boolean nameTypes, final NewCandidates newCandidates) {
        this.resolved = resolved;
        this.edgeLabel = edgeLabel;
        this.vertexLabel = vertexLabel;
        this.tails = tails;
        this.nameTypes = nameTypes;
        this.newCandidates = newCandidates;
    }

    boolean knows(final Vertex vertex) {
        return joined.containsKey(vertex);
    }

    void add(final Vertex vertex, final Set<String> joinedIds) {
        joined.put(vertex, joinedIds);
    }

    List<Map.Entry<Vertex, Double>> of(final Vertex vertex) {
        return answers.getOrDefault(vertex, List.of());
    }

    /** Asks until every vertex has as many answers as there can be. */
    void fill(final Function<Collection<Object>, Map<String, Vertex>> lookup) {
        final int most = (int) Math.min(Integer.MAX_VALUE, (long) resolved.endpoint.count(vertexLabel) + newCandidates.size());
        List<Vertex> open = new ArrayList<>(joined.keySet());
        for (int topk = Math.min(resolved.limit, most); !open.isEmpty(); topk = grown(topk, most)) {
            final List<List<Answer>> ranked = ask(open, topk);
            judge(ranked, lookup);
            final List<Vertex> unsettled = new ArrayList<>();
            for (int item = 0; item < open.size(); item++)
                if (!settle(open.get(item), ranked.get(item), topk, most)) unsettled.add(open.get(item));
            open = unsettled;
        }
    }

    private static int grown(final int topk, final int most) {
        return (int) Math.min((long) topk * GROWTH, most);
    }

    private List<List<Answer>> ask(final List<Vertex> open, final int topk) {
        if (!resolved.isInductive) return resolved.ask(invocation(open, topk));
        return resolved.inductive().links(vertex -> question(vertex, topk), open, batch -> newCandidates.addTo(invocation(batch, topk)));
    }

    private Invocation invocation(final List<Vertex> open, final int topk) {
        final Invocation invocation = Invocation.ofLinks(edgeLabel, vertexLabel, tails, topk);
        for (final Vertex vertex : open)
            invocation.addEnd(vertex, nameTypes ? Labels.onWire(vertex.label()) : null, joined.get(vertex));
        return invocation;
    }

    private Object question(final Vertex vertex, final int topk) {
        return Arrays.asList(edgeLabel, vertexLabel, tails, topk, resolved.threshold, joined.get(vertex), newCandidates.ids());
    }

    /** Looks up, in one query, the candidates that were not seen before. */
    private void judge(final List<List<Answer>> ranked, final Function<Collection<Object>, Map<String, Vertex>> lookup) {
        final List<Object> ids = new ArrayList<>();
        for (final List<Answer> list : ranked)
            for (final Answer answer : list)
                if (judged.add(answer.id())) ids.add(resolved.endpoint.id(answer.id(), vertexLabel));
        visible.putAll(lookup.apply(ids));
    }

    /** Keeps a vertex's answers unless more may come. */
    private boolean settle(final Vertex vertex, final List<Answer> ranked, final int topk, final int most) {
        final List<Map.Entry<Vertex, Double>> kept = new ArrayList<>();
        for (final Answer answer : ranked)
            if (kept.size() < resolved.limit && visible.containsKey(answer.id()) && !joined.get(vertex).contains(answer.id()))
                kept.add(Map.entry(visible.get(answer.id()), answer.score()));
        final boolean more = kept.size() < resolved.limit && ranked.size() == topk && topk < most;
        if (!more) answers.put(vertex, kept);
        return !more;
    }
}
