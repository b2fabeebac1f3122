package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.step.TraversalParent;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.process.traversal.traverser.TraverserRequirement;
import org.apache.tinkerpop.gremlin.structure.Direction;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** {@code out(l)} or {@code in(l)} with a prediction: the vertices that an edge probably leads to. */
public final class PredictedVerticesStep extends PredictionStep<Vertex, Vertex, Map.Entry<Vertex, Double>> implements TraversalParent {
    /** TinkerGraph's V() keeps all it ever opened and closes it all each time: without an end, the slower the more. */
    private static final int LOOKUPS_PER_COMPILATION = 256;

    private final Direction direction;
    private final String edgeLabel;
    private final String vertexLabel;
    private final Traversal.Admin<Object, Vertex> uncompiled;
    private Traversal.Admin<Object, Vertex> candidates;
    private Traversal.Admin<Object, Vertex> lookup;
    private int lookups;
    private Traversal.Admin<Object, Vertex> neighbours;

    /**
     * Makes a step.
     *
     * @param direction OUT predicts tails, IN heads
     * @param vertexLabel the label of the predicted vertices
     * @param criteria what they must fulfil before the limit counts, their label among it
     * @param oneByOne whether pulling ahead could change the query's effects
     */
    public PredictedVerticesStep(final Traversal.Admin<?, ?> traversal, final Runs runs, final StepOptions options,
                                 final Direction direction, final String edgeLabel, final String vertexLabel,
                                 final List<HasContainer> criteria, final boolean oneByOne) {
        super(traversal, runs, options, NeptuneML.PREDICTION, oneByOne);
        this.direction = direction;
        this.edgeLabel = edgeLabel;
        this.vertexLabel = vertexLabel;
        this.uncompiled = VertexLookup.candidates(criteria);
        this.candidates = adopt(uncompiled.clone());
        this.neighbours = options.filterExistingEdges ? adopt(VertexLookup.neighbours(direction, edgeLabel)) : null;
    }

    /** The graph as well as the parent: strategies that ask a child for its graph run before it is locked. */
    private Traversal.Admin<Object, Vertex> adopt(final Traversal.Admin<Object, Vertex> child) {
        this.<Object, Vertex>integrateChild(child);
        ((Traversal.Admin<?, ?>) traversal).getGraph().ifPresent(child::setGraph);
        return child;
    }

    @Override
    void check(final Resolved resolved) {
        if (inputLabels(resolved).isEmpty())
            throw Failure.WRONG_EDGE.with(direction == Direction.OUT ? "'" + edgeLabel + "' to '" + vertexLabel + "'"
                    : "'" + edgeLabel + "' from '" + vertexLabel + "'", resolved.endpoint.name(), resolved.endpoint);
    }

    private Set<String> inputLabels(final Resolved resolved) {
        return resolved.endpoint.inputLabels(
                Labels.onWire(edgeLabel), Labels.onWire(vertexLabel), direction == Direction.OUT);
    }

    @Override
    List<List<Map.Entry<Vertex, Double>>> ask(final List<Traverser.Admin<Vertex>> batch, final Resolved resolved) {
        final Set<String> inputLabels = inputLabels(resolved);
        final List<Traverser.Admin<Vertex>> ends = batch.stream().filter(start -> isEnd(start, inputLabels)).collect(Collectors.toList());
        final LinkAnswers answers = new LinkAnswers(resolved, Labels.onWire(edgeLabel), Labels.onWire(vertexLabel),
                direction == Direction.OUT, inputLabels.size() > 1, ends.isEmpty() ? NewCandidates.NONE : resolved.newCandidates(vertexLabel));
        for (final Traverser.Admin<Vertex> start : ends)
            if (!answers.knows(start.get()))
                answers.add(start.get(), neighbours == null ? Set.of() : VertexLookup.joined(neighbours, start));
        answers.fill(ids -> visible(ids, batch.get(0)));
        return batch.stream().map(start -> answers.of(start.get())).collect(Collectors.toList());
    }

    @Override
    void emit(final Traverser.Admin<Vertex> start, final List<Map.Entry<Vertex, Double>> answers,
              final Consumer<Traverser.Admin<Vertex>> out) {
        for (final Map.Entry<Vertex, Double> predicted : answers) out.accept(split(start, predicted.getKey(), predicted.getValue()));
    }

    private boolean isEnd(final Traverser.Admin<?> start, final Set<String> inputLabels) {
        if (!(start.get() instanceof Vertex)) throw notAnElement(start.get());
        return inputLabels.contains(Labels.onWire(((Vertex) start.get()).label()));
    }

    private Map<String, Vertex> visible(final Collection<Object> ids, final Traverser.Admin<?> start) {
        if (ids.isEmpty()) return Map.of();
        if (lookups++ % LOOKUPS_PER_COMPILATION == 0) lookup = VertexLookup.compiled(uncompiled.clone(), ids, candidates);
        return VertexLookup.visible(lookup, ids, start);
    }

    @Override
    public <S, E> List<Traversal.Admin<S, E>> getLocalChildren() {
        final List<Traversal.Admin<S, E>> children = new ArrayList<>();
        children.add((Traversal.Admin) candidates);
        if (neighbours != null) children.add((Traversal.Admin) neighbours);
        return children;
    }

    @Override
    public void setTraversal(final Traversal.Admin<?, ?> parentTraversal) {
        super.setTraversal(parentTraversal);
        for (final Traversal.Admin<?, ?> child : getLocalChildren()) integrateChild(child);
    }

    @Override
    public PredictedVerticesStep clone() {
        final PredictedVerticesStep clone = (PredictedVerticesStep) super.clone();
        clone.candidates = candidates.isLocked() ? VertexLookup.compiled(uncompiled.clone(), candidates) : candidates.clone();
        clone.lookup = null;
        clone.lookups = 0;
        clone.neighbours = neighbours == null ? null : neighbours.clone();
        return clone;
    }

    @Override
    public Set<TraverserRequirement> getRequirements() {
        return getSelfAndChildRequirements(super.getRequirements().toArray(new TraverserRequirement[0]));
    }

    @Override
    boolean accepts(final Object object, final Resolved resolved) {
        return object instanceof Vertex;
    }

    @Override
    Object[] question() {
        return new Object[] {direction, edgeLabel, candidates, neighbours == null ? "" : neighbours};
    }
}
