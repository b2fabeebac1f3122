package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.sampling.Sampler;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.RequestTooLarge;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/**
 * Answers computed from the graph as the query sees it now: what lies around a batch of items is gathered in the query's
 * own transaction and sent with them. A batch that is too large is halved.
 */
final class InductiveAnswers {

    static final int LARGEST_BATCH = 256;

    private final Resolved resolved;
    private final Query query;
    private final Sampler sampler;
    /** The largest batch by itself, and the largest whose request was not too large so far. */
    private final int largestBatch;
    private int fitting = Integer.MAX_VALUE;

    InductiveAnswers(final Resolved resolved, final Query query) {
        this.resolved = resolved;
        this.query = query;
        this.sampler = query.sampler(resolved.endpoint, resolved.isDeterministic);
        this.largestBatch = resolved.isDeterministic && isOfEdges() ? 1 : LARGEST_BATCH;
    }

    /** Edges that are asked about carry no messages, so that the answer for one depends on the others. */
    private boolean isOfEdges() {
        return resolved.endpoint.property() != null && resolved.endpoint.nodeLabel() == null;
    }

    Sampler sampler() {
        return sampler;
    }

    /** Predicts a property of elements that the endpoint predicts it for. */
    List<List<Answer>> properties(final List<? extends Element> elements, final boolean scores) {
        final Object question = Arrays.asList(resolved.limit, resolved.threshold, scores);
        return kept(element -> question, elements, unknown -> inBatches(unknown, largestBatch, batch -> askProperties(batch, scores)));
    }

    private List<List<Answer>> askProperties(final List<? extends Element> elements, final boolean scores) {
        final Invocation invocation = Invocation.ofProperty(resolved.endpoint, resolved.limit).score(scores);
        final Set<Vertex> around = new LinkedHashSet<>();
        final Set<Object> silent = new HashSet<>();
        final List<Integer> asked = new ArrayList<>();
        for (int item = 0; item < elements.size(); item++)
            if (add(elements.get(item), invocation, around, silent)) asked.add(item);
        final List<List<Answer>> answers = new ArrayList<>(Collections.nCopies(elements.size(), List.of()));
        if (asked.isEmpty()) return answers;
        final List<List<Answer>> given = resolved.ask(invocation.with("subgraph", sampler.around(around, silent)));
        for (int item = 0; item < asked.size(); item++) answers.set(asked.get(item), given.get(item));
        return answers;
    }

    /** Whether it can be asked about: both ends of an edge must be seen. */
    private boolean add(final Element element, final Invocation invocation, final Set<Vertex> around, final Set<Object> silent) {
        if (element instanceof Vertex) {
            around.add((Vertex) element);
            invocation.addNode((Vertex) element);
            return true;
        }
        final Edge edge = (Edge) element;
        final Vertex head = sampler.graph().end(edge, Direction.OUT);
        final Vertex tail = sampler.graph().end(edge, Direction.IN);
        if (head == null || tail == null) return false;
        around.add(head);
        around.add(tail);
        silent.add(edge.id());
        invocation.addEdge(edge, sampler.properties(edge, head, tail));
        return true;
    }

    /**
     * Ranks the candidates of edges whose known ends these are.
     *
     * @param question what is asked about an end; equal for equal questions
     */
    List<List<Answer>> links(final Function<Vertex, Object> question, final List<Vertex> ends, final Function<List<Vertex>, Invocation> ask) {
        return kept(question, ends, unknown -> inBatches(unknown, largestBatch,
                batch -> resolved.ask(ask.apply(batch).with("subgraph", sampler.around(batch, Set.of())))));
    }

    /** Embeds vertices of one label, as many of them together as a request may hold. */
    List<byte[]> embeddings(final List<Vertex> vertices, final String label) {
        return inBatches(vertices, Integer.MAX_VALUE, batch -> {
            final Invocation invocation = Invocation.ofEmbeddings(label);
            batch.forEach(invocation::addNode);
            return resolved.embed(invocation.with("subgraph", sampler.around(batch, Set.of())));
        });
    }

    /** What this query has asked before is not asked again, unless the graph may have changed. */
    private <T extends Element> List<List<Answer>> kept(final Function<? super T, Object> question, final List<T> items,
                                                        final Function<List<T>, List<List<Answer>>> ask) {
        if (query.changes()) return ask.apply(items);
        final Map<List<Object>, List<Answer>> live = query.live();
        final Map<List<Object>, T> unknown = new LinkedHashMap<>();
        final Map<List<Object>, List<Answer>> found = new HashMap<>();
        final List<List<Object>> keys = new ArrayList<>(items.size());
        for (final T item : items) {
            final List<Object> key = key(question.apply(item), item);
            keys.add(key);
            if (live.containsKey(key)) found.put(key, live.get(key));
            else unknown.put(key, item);
        }
        resolved.counters.cacheHits += items.size() - unknown.size();
        final Iterator<List<Answer>> answers = ask.apply(new ArrayList<>(unknown.values())).iterator();
        for (final List<Object> key : unknown.keySet()) found.put(key, answers.next());
        live.putAll(found);
        return keys.stream().map(found::get).collect(Collectors.toList());
    }

    private List<Object> key(final Object question, final Element item) {
        return List.of(resolved.endpoint.reference(), resolved.endpoint.version(), resolved.isDeterministic, question, item);
    }

    private <T, A> List<A> inBatches(final List<T> items, final int largest, final Function<List<T>, List<A>> ask) {
        final List<A> answers = new ArrayList<>(items.size());
        while (answers.size() < items.size()) {
            final int from = answers.size();
            final int to = (int) Math.min(items.size(), from + (long) Math.min(largest, fitting));
            try {
                answers.addAll(ask.apply(items.subList(from, to)));
            } catch (final RequestTooLarge e) {
                if (to - from == 1) throw Failure.REQUEST_TOO_LARGE.with(resolved.endpoint.name(), e.getMessage());
                fitting = (to - from) / 2;
            }
        }
        return answers;
    }
}
