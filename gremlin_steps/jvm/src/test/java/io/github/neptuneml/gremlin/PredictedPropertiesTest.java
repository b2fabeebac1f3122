package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.REGRESSION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static io.github.neptuneml.gremlin.NeptuneML.THRESHOLD;
import static org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__.has;
import static org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__.properties;
import static org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__.values;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.UnsupportedOperationException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Order;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Path;
import org.apache.tinkerpop.gremlin.process.traversal.Scope;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.structure.Column;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Forms of node and edge properties, and what can follow or surround them. */
class PredictedPropertiesTest extends PredictionTest {

    private static Arguments row(final String name, final String endpoint, final Function<GraphTraversalSource, Traversal<?, ?>> query, final Object... expected) {
        return arguments(name, endpoint, query, List.of(expected));
    }

    static Stream<Arguments> forms() {
        return Stream.of(
                row("values", "country", g -> g.V(1, 2).values("country").with(CLASSIFICATION), "US", "FR"),
                row("value()", "country", g -> g.V(1, 2).properties("country").with(CLASSIFICATION).value(), "US", "FR"),
                row("value().is()", "country", g -> g.V().properties("country").with(CLASSIFICATION).value().is("US"), "US", "US"),
                row("hasValue", "country", g -> g.V().properties("country").with(CLASSIFICATION).hasValue("DE").element().id(), 4),
                row("has(T.value)", "country", g -> g.V().properties("country").with(CLASSIFICATION).has(T.value, P.within("DE", "FR")).value(), "FR", "DE"),
                row("hasKey", "country", g -> g.V(1).properties("country").with(CLASSIFICATION).hasKey("country").key(), "country"),
                row("element", "country", g -> g.V(1).properties("country").with(CLASSIFICATION).element().values("name"), "marko"),
                row("label", "country", g -> g.V(1).properties("country").with(CLASSIFICATION).label(), "country"),
                row("limit", "country", g -> g.with(LIMIT, 2).V(1, 2).values("country").with(CLASSIFICATION), "US", "DE", "FR", "US"),
                row("limit above 100", "country", g -> g.with(LIMIT, 101).V(2).values("country").with(CLASSIFICATION), "FR", "US"),
                row("limit on the step wins", "country", g -> g.with(LIMIT, 1).V(1).values("country").with(CLASSIFICATION).with(LIMIT, 2), "US", "DE"),
                row("threshold", "country", g -> g.with(LIMIT, 2).with(THRESHOLD, 0.4D).V(1, 2, 6).values("country").with(CLASSIFICATION), "US", "FR", "US"),
                row("threshold tuned", "country", g -> g.with(LIMIT, 2).with(THRESHOLD, "tuned").V(1, 2, 6).values("country").with(CLASSIFICATION), "US", "FR"),
                row("threshold on the step", "country", g -> g.V(1, 6).values("country").with(CLASSIFICATION).with(THRESHOLD, 0.5), "US"),
                row("score rows", "country", g -> g.V(1, 2).values("country", SCORE).with(CLASSIFICATION), "US", 0.9, "FR", 0.6),
                row("score rows' keys", "country", g -> g.V(1).properties("country", SCORE).with(CLASSIFICATION).key(), "country", SCORE),
                row("score first", "country", g -> g.V(1).values(SCORE, "country").with(CLASSIFICATION), "US", 0.9),
                row("score bound", "country", g -> g.V(1, 4).values("country").with(CLASSIFICATION).with(SCORE, "s").as("c").select("c", "s").select(Column.values), List.of("US", 0.9), List.of("DE", 0.7)),
                row("another label", "country", g -> g.V(3).values("country").with(CLASSIFICATION)),
                row("all labels", "country", g -> g.V().values("country").with(CLASSIFICATION), "US", "FR", "DE", "US"),
                row("repeated element", "country", g -> g.V(1, 1, 2).values("country").with(CLASSIFICATION), "US", "US", "FR"),
                row("regression", "age", g -> g.V(1, 4).values("age").with(REGRESSION), 29.5, 32.25),
                row("regression ignores limit and threshold of g", "age", g -> g.with(LIMIT, 5).with(THRESHOLD, 0.9).V(1).values("age").with(REGRESSION), 29.5),
                row("regression compared with an int", "age", g -> g.V().properties("age").with(REGRESSION).value().is(P.gte(32)), 32.25, 35.0),
                row("stored beside predicted", "age", g -> g.V(1).union(values("age").with(REGRESSION), values("age")), 29.5, 29),
                row("edge classification", "mood", g -> g.E(9, 10).values("mood").with(CLASSIFICATION), "calm", "tense"),
                row("edge score", "mood", g -> g.E(9).values("mood", SCORE).with(CLASSIFICATION), "calm", 0.8),
                row("edge of another label", "mood", g -> g.E(7).values("mood").with(CLASSIFICATION)),
                row("edge regression", "weight", g -> g.V(4).outE("created").values("weight").with(REGRESSION).order(), 0.42, 0.99),
                row("edge property", "weight", g -> g.E(9).properties("weight").with(REGRESSION).key(), "weight"));
    }

    static Stream<Arguments> nested() {
        return Stream.of(
                row("project", "country", g -> g.V(1, 2).project("n", "c").by("name").by(properties("country").with(CLASSIFICATION).value()),
                        Map.of("n", "marko", "c", "US"), Map.of("n", "vadas", "c", "FR")),
                row("where", "country", g -> g.V().where(values("country").with(CLASSIFICATION).is("US")).id(), 1, 6),
                row("not", "country", g -> g.V().hasLabel("person").not(values("country").with(CLASSIFICATION).is("US")).id(), 2, 4),
                row("filter or", "country", g -> g.V().or(values("country").with(CLASSIFICATION).is("FR"), has("name", "ripple")).id(), 2, 5),
                row("infix or", "country", g -> g.V().values("country").with(CLASSIFICATION).or(__.is("FR"), __.is("DE")), "FR", "DE"),
                row("order", "age", g -> g.V().hasLabel("person").order().by(values("age").with(REGRESSION), Order.desc).id(), 6, 4, 1, 2),
                row("group", "country", g -> g.V().hasLabel("person").group().by(values("country").with(CLASSIFICATION)).by(__.id().order().fold()),
                        Map.of("US", List.of(1, 6), "FR", List.of(2), "DE", List.of(4))),
                row("groupCount", "country", g -> g.V().values("country").with(CLASSIFICATION).groupCount(), Map.of("US", 2L, "FR", 1L, "DE", 1L)),
                row("coalesce", "country", g -> g.V(1, 3).coalesce(values("country").with(CLASSIFICATION), values("lang")), "US", "java"),
                row("optional", "country", g -> g.V(1, 3).optional(values("country").with(CLASSIFICATION)).path().count(Scope.local), 2L, 1L),
                row("choose", "country", g -> g.V(1, 2).choose(values("country").with(CLASSIFICATION).is("US"), __.constant("yes"), __.constant("no")), "yes", "no"),
                row("local", "country", g -> g.with(LIMIT, 2).V(1, 2).local(values("country").with(CLASSIFICATION).limit(1)), "US", "FR"),
                row("repeat body", "country", g -> g.V(1).repeat(__.out("knows").where(values("country").with(CLASSIFICATION).is("DE"))).times(1).id(), 4),
                row("repeat emit", "country", g -> g.V(1).repeat(__.out()).emit().values("country").with(CLASSIFICATION).order(), "DE", "FR"),
                row("match", "country", g -> g.V().match(__.as("a").out("knows").as("b"), __.as("b").values("country").with(CLASSIFICATION).as("c")).select("b", "c").by("name").by(),
                        Map.of("b", "vadas", "c", "FR"), Map.of("b", "josh", "c", "DE")),
                row("flatMap", "country", g -> g.V(1).flatMap(__.out("knows").values("country").with(CLASSIFICATION)), "FR", "DE"),
                row("union", "country", g -> g.V(1).union(values("country").with(CLASSIFICATION), values("name")), "US", "marko"),
                row("fold", "country", g -> g.V().values("country").with(CLASSIFICATION).fold(), List.of("US", "FR", "DE", "US")),
                row("dedup", "country", g -> g.V().values("country").with(CLASSIFICATION).dedup(), "US", "FR", "DE"),
                row("count", "country", g -> g.V().properties("country").with(CLASSIFICATION).dedup().count(), 4L),
                row("as and select", "country", g -> g.V(1).as("v").properties("country").with(CLASSIFICATION).as("p").select("v", "p").by("name").by(__.value()), Map.of("v", "marko", "p", "US")),
                row("path", "country", g -> g.V(1).values("country").with(CLASSIFICATION).path().by("name").by(), List.of("marko", "US")),
                row("two tasks", "country", g -> g.V(1).project("c", "a").by(values("country").with(CLASSIFICATION)).by(values("age").with(REGRESSION).with(NeptuneML.ENDPOINT, "age")), Map.of("c", "US", "a", 29.5)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource({"forms", "nested"})
    void answers(final String name, final String endpoint, final Function<GraphTraversalSource, Traversal<?, ?>> query, final List<Object> expected) {
        final List<Object> answers = new ArrayList<>();
        query.apply(g(endpoint)).forEachRemaining(answer ->
                answers.add(answer instanceof Path
                        ? ((Path) answer).objects()
                        : answer instanceof Collection ? List.copyOf((Collection<?>) answer) : answer));
        assertEquals(expected, answers);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource({"forms", "nested"})
    void hashesOfIdsFindTheSame(final String name, final String endpoint, final Function<GraphTraversalSource, Traversal<?, ?>> query, final List<Object> expected) {
        service.takeHashes();
        answers(name, endpoint, query, expected);
        for (final FakeService.Request request : service.requests)
            request.body.path("data").path("items").fields().forEachRemaining(member -> assertTrue(member.getKey().endsWith("Hash"), member.getKey()));
    }

    @Test
    void vertexPropertiesKnowTheirVertexAndHaveStableIds() {
        final VertexProperty<?> first = (VertexProperty<?>) g("country").V(1).properties("country").with(CLASSIFICATION).next();
        final VertexProperty<?> again = (VertexProperty<?>) g("country").V(1).properties("country").with(CLASSIFICATION).next();
        final VertexProperty<?> other = (VertexProperty<?>) g("country").V(2).properties("country").with(CLASSIFICATION).next();
        assertEquals("vp[country->US]", first.toString());
        assertEquals(1, first.element().id());
        assertEquals(first, again);
        assertEquals(first.id(), again.id());
        assertEquals(first.hashCode(), again.hashCode());
        assertNotEquals(first, other);
    }

    @Test
    void edgePropertiesPrintAsPropertiesOfAnEdge() {
        final Property<?> property = g("mood").E(9).properties("mood").with(CLASSIFICATION).next();
        assertEquals("p[mood->calm]", property.toString());
        assertEquals(graph.edges(9).next(), property.element());
    }

    @Test
    void predictionsCannotBeDroppedOrChanged() {
        assertThrows(UnsupportedOperationException.class, () -> g("country").V(1).properties("country").with(CLASSIFICATION).drop().iterate());
        assertThrows(UnsupportedOperationException.class, () -> g("mood").E(9).properties("mood").with(CLASSIFICATION).drop().iterate());
        final VertexProperty<?> property = (VertexProperty<?>) g("country").V(1).properties("country").with(CLASSIFICATION).next();
        assertThrows(UnsupportedOperationException.class, () -> property.property("since", 2020));
    }

    @Test
    void bulkIsKept() {
        assertEquals(4L, g("country").V(1, 1, 1, 1).barrier().values("country").with(CLASSIFICATION).count().next());
        assertEquals(1, service.requests.size());
        assertEquals(1, service.requests.get(0).items().size());
    }

    @Test
    void theStepsLimitAndThresholdWin() {
        assertEquals(List.of("US", "DE"), g("country").with(LIMIT, 1).with(THRESHOLD, 0.5).V(1)
                .values("country").with(CLASSIFICATION).with(LIMIT, 2).with(THRESHOLD, 0.01).toList());
        assertEquals(List.of("US"), g("country").with(LIMIT, 2).V(1).values("country").with(CLASSIFICATION).with(LIMIT, 1).toList());
    }

    /** A worker refuses them, and a query may hold a classification beside the regression. */
    @Test
    void aRegressionIsNotSentTheSourcesLimitAndThreshold() {
        assertEquals(List.of(29.5), g("age").with(LIMIT, 5).with(THRESHOLD, 0.9).V(1).values("age").with(REGRESSION).toList());
        for (final String parameter : List.of("topk", "threshold", "score"))
            assertEquals(false, service.requests.get(0).parameters().has(parameter), parameter);
    }

    @Test
    void aCriterionOnVertexPropertiesHoldsForPredictedOnes() {
        final GraphTraversalSource g = g("country").withStrategies(SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("US"))).create());
        assertEquals(List.of("FR", "DE"), g.V().values("country").with(CLASSIFICATION).toList());
        assertEquals(List.of("FR", "DE"), g.V().local(properties("country").with(CLASSIFICATION).value()).toList());
        final GraphTraversalSource edges = g("mood").withStrategies(SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("calm"))).create());
        assertEquals(List.of("calm"), edges.E(9).values("mood").with(CLASSIFICATION).toList(), "an edge has no vertex properties");
    }

    @Test
    void theVertexItselfIsNotChanged() {
        final Vertex marko = graph.vertices(1).next();
        assertInstanceOf(Property.class, g("country").V(1).properties("country").with(CLASSIFICATION).next());
        assertEquals(false, marko.property("country").isPresent());
    }
}
