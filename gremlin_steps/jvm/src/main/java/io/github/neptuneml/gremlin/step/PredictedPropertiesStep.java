package io.github.neptuneml.gremlin.step;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.failure.Failure;
import io.github.neptuneml.gremlin.structure.PredictedProperty;
import io.github.neptuneml.gremlin.structure.PredictedVertexProperty;
import io.github.neptuneml.gremlin.table.XxHash64;
import io.github.neptuneml.gremlin.wire.Answer;
import io.github.neptuneml.gremlin.wire.Counters;
import io.github.neptuneml.gremlin.wire.EndpointDescription;
import io.github.neptuneml.gremlin.wire.EndpointDescription.Relation;
import io.github.neptuneml.gremlin.wire.Invocation;
import io.github.neptuneml.gremlin.wire.Labels;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.function.Consumer;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.Traverser;
import org.apache.tinkerpop.gremlin.process.traversal.util.FastNoSuchElementException;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Element;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/** {@code properties(k)} or {@code values(k)} with a classification or regression: the predicted ones instead. */
public final class PredictedPropertiesStep<E> extends PredictionStep<Element, E, Answer> {

    private static final int NOT_ASKED = -1;
    /** A request costs as much as a hundred answers that are only looked up: 1, 100, 10,000. */
    private static final int GROWTH = 100;

    private final String key;
    private final boolean asValues;
    private final boolean withScores;
    private Queue<Traverser.Admin<E>> further = new ArrayDeque<>();
    private TableAnswers table;
    private boolean isTableSought;
    private long origin;

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

    /** From the endpoint's table, one by one: there is nothing to gain by pulling ahead. */
    @Override
    protected Traverser.Admin<E> processNextStart() {
        if (!isTableSought && !starts.hasNext()) throw FastNoSuchElementException.instance();
        if (table(resolved()) == null) return super.processNextStart();
        if (table.ranks() <= 1 && !withScores && options().scoreLabel == null) return nextRead();
        while (further.isEmpty()) {
            answerFromTable(starts.next(), further::add);
            showCosts();
        }
        return further.remove();
    }

    private Traverser.Admin<E> nextRead() {
        while (true) {
            final Traverser.Admin<Element> start = starts.next();
            final E answer = readTable(start);
            showCosts();
            if (answer != null) return start.split(answer, this);
        }
    }

    private TableAnswers table(final Resolved resolved) {
        if (isTableSought) return table;
        table = TableAnswers.of(resolved);
        origin = XxHash64.of(resolved.endpoint.name() + "\0" + resolved.endpoint.version(), 0);
        isTableSought = true;
        return table;
    }

    /** Whether the first answer for an object is at hand, in the endpoint's table or from a look-ahead. */
    boolean reads(final Object object) {
        return options().scoreLabel == null && (table(resolved()) != null || ahead(object) != null);
    }

    /** The first answer, or null where there is none; of an object that this step {@link #reads}. */
    E read(final Traverser.Admin<Element> start) {
        return table == null ? readAhead(start.get()) : readTable(start);
    }

    private E readAhead(final Element element) {
        final List<Answer> answers = ahead(element);
        resolved().counters.cacheHits++;
        return answers.isEmpty() ? null : predicted(element, key, answers.get(0).value(), 0);
    }

    private E readTable(final Traverser.Admin<Element> start) {
        if (!isPredicted(start, resolved().endpoint)) return null;
        resolved().counters.tableHits++;
        final int place = table.place((Vertex) start.get());
        final Object value = place < 0 ? null : table.value(place, 0);
        return value == null ? null : predicted(start.get(), key, value, 0);
    }

    private void answerFromTable(final Traverser.Admin<Element> start, final Consumer<Traverser.Admin<E>> out) {
        if (!isPredicted(start, resolved().endpoint)) return;
        resolved().counters.tableHits++;
        final int place = table.place((Vertex) start.get());
        if (place < 0) return;
        for (int rank = 0; rank < table.ranks(); rank++) {
            final Object value = table.value(place, rank);
            if (value == null) return;
            emit(start, value, table.score(place, rank), rank, out);
        }
    }

    @Override
    List<Traverser.Admin<E>> lookAhead(final List<Traverser.Admin<Element>> traversers,
                                       final PredictionStep<Element, E, Answer> other, final Object asker, final Counters counters) {
        final Resolved here = resolved().countedBy(counters);
        if (table(here) == null) return super.lookAhead(traversers, other, asker, counters);
        final List<Traverser.Admin<E>> predicted = new ArrayList<>();
        for (final Traverser.Admin<Element> start : traversers)
            if (accepts(start.get(), here)) answerFromTable(start, predicted::add);
        return predicted;
    }

    @Override
    void emit(final Traverser.Admin<Element> start, final List<Answer> answers, final Consumer<Traverser.Admin<E>> out) {
        int rank = 0;
        for (final Answer answer : answers) emit(start, answer.value(), answer.score(), rank++, out);
    }

    private void emit(final Traverser.Admin<Element> start, final Object value, final double score, final int rank,
                      final Consumer<Traverser.Admin<E>> out) {
        out.accept(split(start, predicted(start.get(), key, value, rank), score));
        if (withScores) out.accept(split(start, predicted(start.get(), NeptuneML.SCORE, score, rank), score));
    }

    @Override
    List<List<Answer>> ask(final List<Traverser.Admin<Element>> batch, final Resolved resolved) {
        final Map<Element, Integer> items = new HashMap<>(2 * batch.size());
        final List<Element> asked = new ArrayList<>(batch.size());
        final int[] item = new int[batch.size()];
        for (int i = 0; i < item.length; i++) {
            item[i] = NOT_ASKED;
            if (!isPredicted(batch.get(i), resolved.endpoint)) continue;
            final Element element = batch.get(i).get();
            final Integer known = items.putIfAbsent(element, asked.size());
            item[i] = known == null ? asked.size() : known;
            if (known == null) asked.add(element);
        }
        final List<List<Answer>> given = answers(asked, resolved);
        final List<List<Answer>> answers = new ArrayList<>(item.length);
        for (final int position : item) answers.add(position == NOT_ASKED ? List.of() : given.get(position));
        return answers;
    }

    private List<List<Answer>> answers(final List<Element> asked, final Resolved resolved) {
        final boolean scores = withScores || options().scoreLabel != null;
        if (resolved.isInductive) return resolved.inductive().properties(asked, scores);
        final Invocation invocation = Invocation.ofProperty(resolved.endpoint, resolved.limit).score(scores);
        for (final Element element : asked) add(element, invocation);
        return resolved.ask(invocation);
    }

    private static void add(final Element element, final Invocation invocation) {
        if (element instanceof Vertex) invocation.addNode((Vertex) element);
        else invocation.addEdge((Edge) element);
    }

    /** Whether what came in is of the predicted label; others have an empty answer without being asked for. */
    private static boolean isPredicted(final Traverser.Admin<?> start, final EndpointDescription endpoint) {
        final Object element = start.get();
        if (element instanceof Vertex) {
            if (endpoint.nodeLabel() == null) throw Failure.WRONG_ELEMENT.with("a vertex's property", endpoint.name(), endpoint);
            return Labels.isOnWire(((Vertex) element).label(), endpoint.nodeLabel());
        }
        if (!(element instanceof Edge)) throw notAnElement(element);
        if (endpoint.nodeLabel() != null) throw Failure.WRONG_ELEMENT.with("an edge's property", endpoint.name(), endpoint);
        for (final Relation relation : endpoint.relations()) if (relation.fits((Edge) element)) return true;
        return false;
    }

    @SuppressWarnings("unchecked")
    private E predicted(final Element element, final String key, final Object value, final int rank) {
        if (asValues) return (E) value;
        return (E) (element instanceof Vertex
                ? new PredictedVertexProperty<>((Vertex) element, key, value, origin, rank)
                : new PredictedProperty<>(element, key, value));
    }

    @Override
    public PredictedPropertiesStep<E> clone() {
        final PredictedPropertiesStep<E> clone = (PredictedPropertiesStep<E>) super.clone();
        clone.further = new ArrayDeque<>();
        clone.table = null;
        clone.isTableSought = false;
        return clone;
    }

    @Override
    public void reset() {
        super.reset();
        if (!further.isEmpty()) further = new ArrayDeque<>();
    }

    @Override
    boolean needsAsking(final Resolved resolved) {
        return table(resolved) == null;
    }

    @Override
    int growth() {
        return isInductive() ? super.growth() : GROWTH;
    }

    @Override
    boolean accepts(final Object object, final Resolved resolved) {
        return (resolved.endpoint.nodeLabel() != null ? Vertex.class : Edge.class).isInstance(object);
    }

    @Override
    Object[] question() {
        return new Object[] {key, predicate().substring(NeptuneML.PREFIX.length()), asValues ? "value" : "property", withScores ? "score" : ""};
    }
}
