package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.structure.PredictedProperty;
import io.github.neptuneml.gremlin.structure.PredictedVertexProperty;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.EndpointDescription;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.util.StringFactory;

/** {@code properties(k)} or {@code values(k)} with a classification or regression: the predicted ones instead. */
public final class PredictedPropertiesStep<E> extends PredictionStep<Element, E> {

    private final String key;
    private final boolean asValues;
    private final boolean withScores;

    /**
     * Makes a step.
     *
     * @param predicate {@link NeptuneML#CLASSIFICATION} or {@link NeptuneML#REGRESSION}
     * @param key the predicted property
     * @param asValues whether values are wanted instead of properties
     * @param withScores whether each prediction is followed by its score
     * @param oneByOne whether pulling ahead could change the query's effects
     */
    public PredictedPropertiesStep(final Traversal.Admin<?, ?> traversal, final Runs runs, final StepOptions options,
                                   final String predicate, final String key, final boolean asValues,
                                   final boolean withScores, final boolean oneByOne) {
        super(traversal, runs, options, predicate, oneByOne);
        this.key = key;
        this.asValues = asValues;
        this.withScores = withScores;
    }

    @Override
    void check(final Resolved resolved) {
        if (!key.equals(resolved.endpoint.property()))
            throw Failure.WRONG_KEY.with(key, resolved.endpoint.name(), resolved.endpoint);
    }

    @Override
    void answer(final List<Traverser.Admin<Element>> batch, final Resolved resolved, final Consumer<Traverser.Admin<E>> out) {
        final Map<Element, List<Answer>> answers = ask(batch, resolved);
        final String origin = resolved.endpoint.name() + "\0" + resolved.endpoint.version();
        for (final Traverser.Admin<Element> start : batch) {
            int rank = 0;
            for (final Answer answer : answers.get(start.get())) {
                out.accept(split(start, predicted(start.get(), key, answer.value(), origin, rank), answer.score()));
                if (withScores)
                    out.accept(split(start, predicted(start.get(), NeptuneML.SCORE, answer.score(), origin, rank), answer.score()));
                rank++;
            }
        }
    }

    private Map<Element, List<Answer>> ask(final List<Traverser.Admin<Element>> batch, final Resolved resolved) {
        final Map<Element, List<Answer>> answers = new HashMap<>();
        final List<Element> asked = new ArrayList<>();
        final Invocation invocation = Invocation.ofProperty(resolved.endpoint, resolved.limit)
                .score(withScores || options().scoreLabel != null);
        for (final Traverser.Admin<?> start : batch) {
            if (!(start.get() instanceof Element)) throw notAnElement(start.get());
            final Element element = (Element) start.get();
            if (answers.putIfAbsent(element, List.of()) == null && add(element, resolved.endpoint, invocation)) asked.add(element);
        }
        int item = 0;
        final List<List<Answer>> given = resolved.isInductive
                ? resolved.inductive().properties(asked, withScores || options().scoreLabel != null) : resolved.ask(invocation);
        for (final List<Answer> answer : given) answers.put(asked.get(item++), answer);
        return answers;
    }

    /** Whether the element is of the predicted label; others have an empty answer without being asked for. */
    private boolean add(final Element element, final EndpointDescription endpoint, final Invocation invocation) {
        if (element instanceof Vertex) return addVertex((Vertex) element, endpoint, invocation);
        if (element instanceof Edge) return addEdge((Edge) element, endpoint, invocation);
        throw notAnElement(element);
    }

    private boolean addVertex(final Vertex vertex, final EndpointDescription endpoint, final Invocation invocation) {
        if (endpoint.nodeLabel() == null)
            throw Failure.WRONG_ELEMENT.with("a vertex's property", endpoint.name(), endpoint);
        if (!Labels.onWire(vertex.label()).equals(endpoint.nodeLabel())) return false;
        invocation.addNode(vertex);
        return true;
    }

    private boolean addEdge(final Edge edge, final EndpointDescription endpoint, final Invocation invocation) {
        if (endpoint.nodeLabel() != null)
            throw Failure.WRONG_ELEMENT.with("an edge's property", endpoint.name(), endpoint);
        if (endpoint.relations().stream().noneMatch(relation -> relation.fits(edge))) return false;
        invocation.addEdge(edge, null);
        return true;
    }

    @SuppressWarnings("unchecked")
    private E predicted(final Element element, final String key, final Object value, final String origin, final int rank) {
        if (asValues) return (E) value;
        return (E) (element instanceof Vertex
                ? new PredictedVertexProperty<>((Vertex) element, key, value, origin, rank)
                : new PredictedProperty<>(element, key, value));
    }

    @Override
    public int hashCode() {
        return super.hashCode() ^ toString().hashCode();
    }

    @Override
    public String toString() {
        return StringFactory.stepString(this, key, predicate().substring(NeptuneML.PREFIX.length()),
                asValues ? "value" : "property", withScores ? "score" : "");
    }
}
