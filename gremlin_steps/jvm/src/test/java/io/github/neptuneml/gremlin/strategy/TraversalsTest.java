package io.github.neptuneml.gremlin.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.NeptuneML;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Step;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class TraversalsTest {

    private static Step<?, ?> last(final GraphTraversal<?, ?> steps) {
        return steps.asAdmin().getEndStep();
    }

    @Test
    void aTreeHoldsEveryNestedTraversalParentsFirst() {
        final Traversal.Admin<?, ?> root = __.V().where(__.out("a").repeat(__.out("b"))).union(__.in("c"), __.local(__.in("d"))).asAdmin();
        final List<Traversal.Admin<?, ?>> tree = Traversals.tree(root);
        assertEquals(root, tree.get(0));
        for (final String label : List.of("a", "b", "c", "d"))
            assertEquals(1, tree.stream().filter(one -> holds(one, label)).count(), label);
        for (final Traversal.Admin<?, ?> one : tree)
            if (one != root) assertEquals(true, tree.indexOf(one.getParent().asStep().getTraversal()) < tree.indexOf(one));
    }

    private static boolean holds(final Traversal.Admin<?, ?> traversal, final String label) {
        return traversal.getSteps().stream().anyMatch(step -> step.toString().contains("[" + label + "]") && step.toString().startsWith("VertexStep"));
    }

    @Test
    void aTestIsAskedOfEveryNestedTraversalUntilItHolds() {
        final Traversal.Admin<?, ?> root = __.V().where(__.out("a").repeat(__.out("b"))).union(__.in("c"), __.local(__.in("d"))).asAdmin();
        for (final String label : List.of("a", "b", "c", "d"))
            assertEquals(true, Traversals.any(root, one -> holds(one, label)), label);
        assertEquals(false, Traversals.any(root, one -> holds(one, "e")));
    }

    static Stream<Arguments> predicates() {
        return Stream.of(
                arguments(__.values("genre"), Map.of()),
                arguments(__.out("borrowed").with("other", 1), Map.of()),
                arguments(__.values("genre").with(NeptuneML.CLASSIFICATION), Map.of(NeptuneML.CLASSIFICATION, true)),
                arguments(__.values("genre").with("other", 1).with(NeptuneML.LIMIT, 2).with(NeptuneML.LIMIT, 3), Map.of(NeptuneML.LIMIT, 3)),
                arguments(__.out("borrowed").with("Neptune#ml.misspelt", "x"), Map.of("Neptune#ml.misspelt", "x")),
                arguments(__.identity(), Map.of()));
    }

    @ParameterizedTest
    @MethodSource("predicates")
    void predicatesOfAStepAreThoseOfNeptuneTheLastValueOfEach(final GraphTraversal<?, ?> steps, final Map<String, Object> expected) {
        assertEquals(expected, Traversals.predicates(last(steps)));
    }

    static Stream<Arguments> names() {
        return Stream.of(arguments(__.V(), "V() or E()"), arguments(__.addV("Book"), "addV()"), arguments(__.addE("knows"), "addE()"),
                arguments(__.valueMap(), "valueMap()"), arguments(__.property("a", 1), "property()"), arguments(__.where(__.out()), "where() or filter()"),
                arguments(__.inV(), "inV(), outV() or bothV()"), arguments(__.otherV(), "otherV()"), arguments(__.fold(), "fold()"));
    }

    @ParameterizedTest
    @MethodSource("names")
    void stepsAreNamedAsTheyAreWrittenOnEveryRelease(final GraphTraversal<?, ?> steps, final String name) {
        assertEquals(name, Traversals.name(last(steps)));
    }

    static Stream<Arguments> written() {
        final GraphTraversalSource g = TinkerGraph.open().traversal();
        return Stream.of(
                arguments(g.addV("Book").property("genre", "novel"), null),
                arguments(g.addV("Book").property(NeptuneML.SCORE, 1), NeptuneML.SCORE),
                arguments(g.addV("Book").property("genre", "novel").property(NeptuneML.SCORE, 1), NeptuneML.SCORE),
                arguments(g.V().property(NeptuneML.SCORE, 1), NeptuneML.SCORE),
                arguments(g.V().property("genre", NeptuneML.SCORE), null),
                arguments(g.addE("knows").from(__.V(1)).to(__.V(2)).property(NeptuneML.SCORE, 1), NeptuneML.SCORE),
                arguments(g.addE("knows").from(__.V(1)).to(__.V(2)).property("since", 1), null),
                arguments(g.V().property(T.id, 7), null),
                arguments(g.V().values("genre"), null));
    }

    @ParameterizedTest
    @MethodSource("written")
    void aPredicateThatAStepWouldWriteIsFoundOnEveryRelease(final GraphTraversal<?, ?> steps, final String predicate) {
        final List<String> found = new ArrayList<>();
        for (final Step<?, ?> step : steps.asAdmin().getSteps()) if (WrittenKeys.predicate(step) != null) found.add(WrittenKeys.predicate(step));
        assertEquals(predicate == null ? List.of() : List.of(predicate), found);
    }

    @Test
    void noKeysHoldNoPredicate() {
        assertNull(WrittenKeys.firstPredicate(List.of()));
        assertNull(WrittenKeys.firstPredicate(List.of("a", T.id, 3)));
        assertEquals(NeptuneML.LIMIT, WrittenKeys.firstPredicate(List.of("a", NeptuneML.LIMIT, NeptuneML.SCORE)));
    }
}
