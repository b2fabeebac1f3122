package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.ENDPOINT;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_EXISTING_EDGES;
import static io.github.neptuneml.gremlin.NeptuneML.INDUCTIVE_INFERENCE;
import static io.github.neptuneml.gremlin.NeptuneML.LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static io.github.neptuneml.gremlin.NeptuneML.REGRESSION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static io.github.neptuneml.gremlin.NeptuneML.THRESHOLD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Merge;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.TextP;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What is refused: query, code, and words that the message must hold. */
class RefusalTest extends PredictionTest {

    private static Arguments row(final String code, final String words, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        return arguments(code, words, query);
    }

    static Stream<Arguments> refusals() {
        final String invalid = "InvalidParameterException";
        final String missing = "MissingParameterException";
        final String unsupported = "UnsupportedOperationException";
        return Stream.of(
                // spec/neptune-ml.md 9.4
                row(missing, "no endpoint", g -> g.V(1).values("country").with(CLASSIFICATION)),
                row("BadRequestException", "'nowhere' was not found", g -> g.with(ENDPOINT, "nowhere").V(1).values("country").with(CLASSIFICATION)),
                row(invalid, "is no endpoint", g -> g.with(ENDPOINT, "../secret").V(1).values("country").with(CLASSIFICATION)),
                row(invalid, "takes a text", g -> g.with(ENDPOINT, 5).V(1).values("country").with(CLASSIFICATION)),
                row(invalid, "takes a text", g -> g.with(NeptuneML.IAM_ROLE_ARN, 5).V(1)),
                row(invalid, "[a, b]", g -> g.V(1).properties("a", "b").with(CLASSIFICATION)),
                row(invalid, "[a, b]", g -> g.V(1).properties("a", "b", SCORE).with(CLASSIFICATION)),
                row(invalid, "[a, b]", g -> g.V(1).out("a", "b").with(PREDICTION).hasLabel("person")),
                row(invalid, "[a, b]", g -> g.V(1).out("a").with(PREDICTION, "b").hasLabel("person")),
                row(invalid, "[a, b]", g -> g.V(1).out().with(PREDICTION, "a").with(PREDICTION, "b").hasLabel("person")),
                row(invalid, "means nothing on property()", g -> g.V(1).property(SCORE, 0.5)),
                row(invalid, "means nothing on property()", g -> g.V(1).property("name", "x", SCORE, 0.5)),
                row(invalid, "means nothing on addV()", g -> g.addV("x").property(SCORE, 0.5)),
                row(invalid, "unknown predicate 'Neptune#ml.mine'", g -> g.V(1).addV("x").property("Neptune#ml.mine", 1)),
                row(invalid, "means nothing on mergeV()", g -> g.mergeV(Map.of(T.label, "x", SCORE, 0.5))),
                row(invalid, "means nothing on mergeV()", g -> g.V(1).mergeV(Map.of(SCORE, 0.5))),
                row(invalid, "means nothing on mergeV()", g -> g.mergeV(Map.of(T.id, 1)).option(Merge.onMatch, Map.of(SCORE, 0.5))),
                row(invalid, "unknown predicate 'Neptune#ml.mine'", g -> g.mergeV(Map.of(T.id, 1)).option(Merge.onCreate, Map.of("Neptune#ml.mine", 1))),
                row(invalid, "means nothing on mergeE()", g -> g.mergeE(Map.of(T.label, "x", SCORE, 0.5))),
                row(invalid, "means nothing on addE()", g -> g.V(1).addE("x").to(__.V(2)).property(SCORE, 0.5)),
                row(invalid, "means nothing on has()", g -> g.V(1).has(SCORE, 0.5)),
                row(invalid, "[x, y]", g -> g.V(1).out("a").with(PREDICTION).hasLabel("x", "y")),
                row(invalid, "[x, y]", g -> g.V(1).out("a").with(PREDICTION).hasLabel("x").hasLabel("y")),
                row(invalid, "not both", g -> g.V(1).values("a").with(CLASSIFICATION).with(REGRESSION)),
                row(missing, "needs the key", g -> g.V(1).properties().with(CLASSIFICATION)),
                row(missing, "edge label", g -> g.V(1).out().with(PREDICTION).hasLabel("x")),
                row(missing, "edge label", g -> g.V(1).in().with(PREDICTION).hasLabel("x")),
                row(missing, "beside it", g -> g.V(1).properties(SCORE).with(CLASSIFICATION)),
                row(unsupported, "both()", g -> g.V(1).both("a").with(PREDICTION).hasLabel("x")),
                row(unsupported, "outE()", g -> g.V(1).outE("a").with(PREDICTION)),
                row(unsupported, "inE()", g -> g.V(1).inE("a").with(PREDICTION)),
                row(unsupported, "bothE()", g -> g.V(1).bothE("a").with(PREDICTION)),
                row(unsupported, "hasLabel", g -> g.V(1).out("a").with(PREDICTION)),
                row(unsupported, "hasLabel", g -> g.V(1).out("a").with(PREDICTION).where(__.out()).hasLabel("x")),
                row(unsupported, "one plain label", g -> g.V(1).out("a").with(PREDICTION).hasLabel(P.neq("x"))),
                row(unsupported, "one plain label", g -> g.V(1).out("a").with(PREDICTION).hasLabel(TextP.startingWith("x"))),
                row(unsupported, "withComputer", g -> g.withComputer().V(1).values("a").with(CLASSIFICATION)),
                row(unsupported, "withComputer", g -> g.withComputer().V(1).where(__.out("a").with(PREDICTION).hasLabel("x"))),
                // values of predicates
                row(invalid, "from 1 up, not 0", g -> g.with(LIMIT, 0).V(1)),
                row(invalid, "from 1 up, not -1", g -> g.with(LIMIT, -1).V(1)),
                row(invalid, "from 1 up, not 1.5", g -> g.with(LIMIT, 1.5).V(1)),
                row(invalid, "from 1 up, not 'ten'", g -> g.with(LIMIT, "ten").V(1)),
                row(invalid, "from 1 up, not 0", g -> g.V(1).values("a").with(CLASSIFICATION).with(LIMIT, 0)),
                row(invalid, "from 0 to 1", g -> g.with(THRESHOLD, 1.5).V(1)),
                row(invalid, "from 0 to 1", g -> g.with(THRESHOLD, Double.NaN).V(1)),
                row(invalid, "or 'tuned'", g -> g.with(THRESHOLD, "best").V(1)),
                row(invalid, "no tuned threshold", g -> g.with(ENDPOINT, "mood").with(THRESHOLD, "tuned").E(9).values("mood").with(CLASSIFICATION)),
                row(invalid, "true or false", g -> g.V(1).values("a").with(CLASSIFICATION, "yes")),
                row(invalid, "edge label", g -> g.V(1).out("a").with(PREDICTION, 7).hasLabel("x")),
                row(invalid, "takes a text", g -> g.V(1).values("a").with(CLASSIFICATION).with(SCORE)),
                // regression has neither score nor several answers
                row(invalid, SCORE, g -> g.V(1).properties("a", SCORE).with(REGRESSION)),
                row(invalid, SCORE, g -> g.V(1).properties("a").with(REGRESSION).with(SCORE, "s")),
                row(invalid, LIMIT, g -> g.V(1).properties("a").with(REGRESSION).with(LIMIT, 2)),
                row(invalid, THRESHOLD, g -> g.V(1).properties("a").with(REGRESSION).with(THRESHOLD, 0.5)),
                // unknown, misspelt, misplaced (decision 19)
                row(invalid, "nearest is 'Neptune#ml.endpoint', which belongs in g.with(...)", g -> g.with("Neptune#ml.endpont", "x").V(1)),
                row(invalid, "nearest is 'Neptune#ml.classification'", g -> g.V(1).values("a").with("Neptune#ml.clasification")),
                row(invalid, "nearest is 'Neptune#ml.classification'", g -> g.V(1).values("a").with("neptune#ML.Classification")),
                row(invalid, "nearest is 'Neptune#ml.inductiveInference'", g -> g.V(1).values("a").with(CLASSIFICATION).with("Neptune#ml.inductive")),
                row(invalid, "nearest is 'Neptune#ml.score'", g -> g.V(1).properties("a", "Neptune#ml.scores")),
                row(invalid, "belongs in with(...) directly after properties()", g -> g.with(CLASSIFICATION).V(1)),
                row(invalid, "belongs in with(...) directly after out() or in()", g -> g.V(1).values("a").with(PREDICTION)),
                row(invalid, "belongs in with(...) directly after properties()", g -> g.V(1).out("a").with(CLASSIFICATION).hasLabel("x")),
                row(invalid, "means nothing on has()", g -> g.V(1).out("a").hasLabel("x").with(PREDICTION)),
                row(invalid, "means nothing on V() or E()", g -> g.V(1).with(CLASSIFICATION)),
                row(invalid, "means nothing on valueMap()", g -> g.V(1).valueMap("a").with(CLASSIFICATION)),
                row(invalid, "means nothing on valueMap()", g -> g.V(1).valueMap("a").with(NeptuneML.COLUMNS, 5).with(CLASSIFICATION)),
                row(invalid, "nearest is 'NeptuneML#columns'", g -> g.V(1).valueMap("a").with("NeptuneML#column", 5)),
                row(invalid, "nearest is 'NeptuneML#columns'", g -> g.with("neptuneml#Columns", 5).V(1)),
                row(invalid, "belongs in with(...) directly after the valueMap()", g -> g.with(NeptuneML.COLUMNS, 5).V(1)),
                row(invalid, "means nothing on values()", g -> g.V(1).values("a").with(NeptuneML.COLUMNS, 5)),
                row(invalid, "means nothing on out()", g -> g.V(1).out("a").with(NeptuneML.COLUMNS, 5)),
                row(invalid, "means nothing on propertyMap()", g -> g.V(1).propertyMap("a").with(NeptuneML.COLUMNS, 5)),
                row(invalid, "valueMap() with by()", g -> g.V(1).valueMap("a").with(NeptuneML.COLUMNS, 5).by(__.unfold())),
                row(invalid, "does not end the query", g -> g.V(1).valueMap("a").with(NeptuneML.COLUMNS, 5).limit(1)),
                row(invalid, "does not end the query", g -> g.V(1).project("m").by(__.valueMap("a").with(NeptuneML.COLUMNS, 5))),
                row(invalid, "from 0 to 100000, not -1", g -> g.V(1).valueMap("a").with(NeptuneML.COLUMNS, -1)),
                row(invalid, "from 0 to 100000, not 1000000", g -> g.V(1).valueMap("a").with(NeptuneML.COLUMNS, 1_000_000)),
                row(invalid, "from 0 to 100000, not true", g -> g.V(1).valueMap("a").with(NeptuneML.COLUMNS)),
                row(unsupported, "withComputer", g -> g.withComputer().V(1).valueMap("a").with(NeptuneML.COLUMNS, 5)),
                row(invalid, "means nothing on valueMap()", g -> g.V(1).valueMap("a", SCORE)),
                row(invalid, "means nothing on elementMap()", g -> g.V(1).elementMap("a", SCORE)),
                row(invalid, "means nothing on addV()", g -> g.addV("a").with(CLASSIFICATION)),
                row(invalid, "means nothing on has()", g -> g.V(1).properties("a").with(CLASSIFICATION).has(SCORE, 0.5)),
                row(invalid, "needs .with('Neptune#ml.classification')", g -> g.V(1).properties("a", SCORE)),
                row(invalid, "without 'Neptune#ml.prediction'", g -> g.V(1).out("a").with(FILTER_EXISTING_EDGES)),
                row(invalid, "without 'Neptune#ml.classification'", g -> g.V(1).values("a").with(LIMIT, 2)),
                row(invalid, "means nothing on values()", g -> g.V(1).values("a").with(CLASSIFICATION).with(FILTER_EXISTING_EDGES)),
                row(invalid, "means nothing on both()", g -> g.V(1).both("a").with(CLASSIFICATION)),
                row(invalid, "nearest", g -> g.V(1).where(__.not(__.values("a").with("Neptune#ml.regresion")))),
                row(invalid, "nearest", g -> g.V(1).out("created").where(__.hasLabel("person").with("NEPTUNE#ML.PREDICTION")).values("name")),
                row(invalid, "means nothing on has()", g -> g.V(1).project("a").by(__.hasLabel("person").with(CLASSIFICATION))),
                row(invalid, "means nothing on V() or E()", g -> g.E(9).with(CLASSIFICATION)),
                row(invalid, "means nothing on V() or E()", g -> g.V(1).flatMap(__.V(2).with(PREDICTION))),
                row(invalid, "means nothing on valueMap()", g -> g.V(1).local(__.valueMap().with(REGRESSION))),
                row(invalid, "means nothing on valueMap()", g -> g.V(1).propertyMap("a").with(CLASSIFICATION).unfold()),
                row(invalid, "means nothing on by()", g -> g.V(1).order().by(SCORE)),
                row(invalid, "means nothing on by()", g -> g.V(1).where(__.project("a").by(SCORE))),
                row(unsupported, "outE()", g -> g.V(1).repeat(__.outE("a").with(PREDICTION).inV()).times(2)),
                row(unsupported, "both()", g -> g.V(1).choose(__.both("a").with(PREDICTION).hasLabel("x"), __.constant(1), __.constant(2))),
                row(invalid, "takes a text", g -> g.V(1).values("a").with(CLASSIFICATION).with(NeptuneML.IAM_ROLE_ARN, 5)),
                row(missing, "needs the key", g -> g.V(1).group().by(__.values().with(REGRESSION))),
                row(missing, "edge label", g -> g.V(1).coalesce(__.out().with(PREDICTION).hasLabel("x"), __.identity())),
                // a model that cannot be asked so
                row(unsupported, "leave the predicate out", g -> g.with(ENDPOINT, "country").V(1).values("country").with(CLASSIFICATION).with(INDUCTIVE_INFERENCE)),
                row(unsupported, "leave the predicate out", g -> g.with(ENDPOINT, "links").with(INDUCTIVE_INFERENCE).V(1).out("created").with(PREDICTION).hasLabel("software")),
                row(invalid, "'Neptune#ml.inductiveInference' takes nothing, true or false", g -> g.V(1).values("country").with(CLASSIFICATION).with(INDUCTIVE_INFERENCE, "yes")),
                row(invalid, "'Neptune#ml.deterministic' takes nothing, true or false", g -> g.with(NeptuneML.DETERMINISTIC, 1).V(1)),
                row(unsupported, "criterion of SubgraphStrategy", g -> g.withStrategies(SubgraphStrategy.build()
                        .vertices(__.<Vertex>start().values("a").with(CLASSIFICATION).is("b")).create()).V(1)),
                // endpoint and query do not fit (decision 20)
                row(invalid, "a node classification of property 'country' of vertices labelled 'person'",
                        g -> g.with(ENDPOINT, "country").V(1).values("country").with(REGRESSION)),
                row(invalid, "a node classification", g -> g.with(ENDPOINT, "country").V(1).out("created").with(PREDICTION).hasLabel("software")),
                row(invalid, "property 'name' is not", g -> g.with(ENDPOINT, "country").V(1).values("name").with(CLASSIFICATION)),
                row(invalid, "an edge's property", g -> g.with(ENDPOINT, "country").E(9).values("country").with(CLASSIFICATION)),
                row(invalid, "a vertex's property", g -> g.with(ENDPOINT, "mood").V(1).values("mood").with(CLASSIFICATION)),
                row(invalid, "'likes' to 'software'", g -> g.with(ENDPOINT, "links").V(1).out("likes").with(PREDICTION).hasLabel("software")),
                row(invalid, "'created' from 'software'", g -> g.with(ENDPOINT, "links").V(3).in("created").with(PREDICTION).hasLabel("software")),
                row(invalid, "person-created->software", g -> g.with(ENDPOINT, "links").V(1).out("created").with(PREDICTION).hasLabel("person")),
                row(invalid, "not for String", g -> g.with(ENDPOINT, "country").inject("x").properties("country").with(CLASSIFICATION)),
                row(invalid, "not for String", g -> g.with(ENDPOINT, "links").inject("x").out("created").with(PREDICTION).hasLabel("software")),
                row(invalid, "vertices and edges", g -> g.with(ENDPOINT, "country").V(1).properties("name").properties("country").with(CLASSIFICATION)));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("refusals")
    void refuses(final String code, final String words, final Function<GraphTraversalSource, Traversal<?, ?>> query) {
        final NeptuneMLException refusal = assertThrows(NeptuneMLException.class, () -> query.apply(g()).iterate());
        assertEquals(code, refusal.code());
        assertTrue(refusal.getMessage().startsWith(code + ": "), refusal.getMessage());
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
        assertNull(refusal.getCause(), "Gremlin Server would ship the cause's message instead");
        assertEquals(0, service.requests.size());
        assertEquals(6L, graph.traversal().V().count().next());
    }

    /** A refusal that comes too late leaves TinkerGraph showing the computer's view of itself. */
    @Test
    void aRefusedComputerLeavesTheGraphAsItWas() {
        final List<Function<GraphTraversalSource, Traversal<?, ?>>> queries = List.of(
                g -> g.withComputer().V().pageRank().values("country").with(CLASSIFICATION),
                g -> g.withComputer().V().out("created").with(PREDICTION).hasLabel("software"),
                g -> g.withComputer().V().project("c").by(__.values("country").with(CLASSIFICATION)));
        for (final Function<GraphTraversalSource, Traversal<?, ?>> query : queries)
            assertEquals("UnsupportedOperationException", assertThrows(NeptuneMLException.class, () -> query.apply(g("country")).iterate()).code());
        assertEquals(List.of("US"), g("country").V(1).values("country").with(CLASSIFICATION).toList());
        assertEquals(6L, g("country").withComputer().V().count().next());
        g("country").V(1).property("name", "renamed").addE("knows").to(__.V(2)).iterate();
        assertEquals("renamed", g("country").V(1).values("name").next());
        assertEquals(List.of(), g("country").V().properties("gremlin.pageRankVertexProgram.pageRank").toList());
    }

    @Test
    void harmlessPredicatesPass() {
        assertEquals("US", g("country").with(NeptuneML.IAM_ROLE_ARN, "arn:aws:iam::111122223333:role/ml")
                .with(NeptuneML.DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE)
                .V(1).values("country").with(CLASSIFICATION).with(NeptuneML.DETERMINISTIC).next());
        assertEquals(6L, g("country").with(LIMIT, 3).V().count().next());
        assertEquals(1L, g().V().has(T.id, 1).count().next());
    }
}
