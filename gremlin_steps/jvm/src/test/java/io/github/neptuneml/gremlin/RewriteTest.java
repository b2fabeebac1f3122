package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_BEFORE_LIMIT;
import static io.github.neptuneml.gremlin.NeptuneML.FILTER_EXISTING_EDGES;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static io.github.neptuneml.gremlin.NeptuneML.REGRESSION;
import static io.github.neptuneml.gremlin.NeptuneML.SCORE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.util.DefaultTraversalStrategies;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every rewrite of the strategy, before and after. */
class RewriteTest {

    private static final NeptuneMLStrategy STRATEGY = new NeptuneMLStrategy(new PredictionClient(Settings.build().create()));

    static Stream<Arguments> rewrites() {
        final String software = "[GraphStep(vertex,[]), HasStep([~label.eq(software)])]";
        final String end = ",endpoint=?,batch=1..10000,mode=transductive)";
        return Stream.of(
                // nothing of ours: nothing changes
                arguments(__.properties("a"), "[PropertiesStep([a],property)]"),
                arguments(__.out("l").hasLabel("software"), "[VertexStep(OUT,[l],vertex), HasStep([~label.eq(software)])]"),
                arguments(__.out("l").with("somebody else's", 1), "[VertexStep(OUT,[l],vertex)]"),
                // properties
                arguments(__.properties("a").with(CLASSIFICATION), "[PredictedPropertiesStep(a,classification,property" + end + "]"),
                arguments(__.values("a").with(CLASSIFICATION), "[PredictedPropertiesStep(a,classification,value" + end + "]"),
                arguments(__.properties("a").with(REGRESSION).value(), "[PredictedPropertiesStep(a,regression,value" + end + "]"),
                arguments(__.properties("a").with(REGRESSION).value().as("x"), "[PredictedPropertiesStep(a,regression,value" + end + "@[x]]"),
                arguments(__.properties("a").with(REGRESSION).as("x").value(), "[PredictedPropertiesStep(a,regression,property" + end + "@[x], PropertyValueStep]"),
                arguments(__.properties("a").with(REGRESSION).value().path(), "[PredictedPropertiesStep(a,regression,property" + end + ", PropertyValueStep, PathStep]"),
                arguments(__.properties("a", SCORE).with(CLASSIFICATION).value(), "[PredictedPropertiesStep(a,classification,property,score" + end + ", PropertyValueStep]"),
                arguments(__.properties("a", SCORE).with(CLASSIFICATION), "[PredictedPropertiesStep(a,classification,property,score" + end + "]"),
                arguments(__.properties("a").with(CLASSIFICATION).as("x"), "[PredictedPropertiesStep(a,classification,property" + end + "@[x]]"),
                arguments(__.properties("a").with(CLASSIFICATION).with(REGRESSION, false), "[PredictedPropertiesStep(a,classification,property" + end + "]"),
                // links
                arguments(__.out("l").with(PREDICTION).hasLabel("software"), "[PredictedVerticesStep(OUT,l," + software + end + "]"),
                arguments(__.in("l").with(PREDICTION).has(T.label, "software"), "[PredictedVerticesStep(IN,l," + software + end + "]"),
                arguments(__.out().with(PREDICTION, "l").hasLabel("software"), "[PredictedVerticesStep(OUT,l," + software + end + "]"),
                arguments(__.out("l").with(PREDICTION).as("x").hasLabel("software").as("y"), "[PredictedVerticesStep(OUT,l," + software + end + "@[x, y]]"),
                arguments(__.out("l").with(PREDICTION).hasLabel("software").has("n", 1),
                        "[PredictedVerticesStep(OUT,l," + software + end + ", HasStep([n.eq(1)])]"),
                arguments(__.out("l").with(PREDICTION).with(FILTER_BEFORE_LIMIT).hasLabel("software").has("n", 1),
                        "[PredictedVerticesStep(OUT,l,[GraphStep(vertex,[]), HasStep([~label.eq(software), n.eq(1)])]" + end + "]"),
                arguments(__.out("l").with(PREDICTION).with(FILTER_EXISTING_EDGES).hasLabel("software"),
                        "[PredictedVerticesStep(OUT,l," + software + ",[VertexStep(OUT,[l],vertex)]" + end + "]"),
                arguments(__.out("l").with(PREDICTION).hasLabel("software").out("m"),
                        "[PredictedVerticesStep(OUT,l," + software + end + ", VertexStep(OUT,[m],vertex)]"),
                // nested, rewritten in the root's turn
                arguments(__.identity().where(__.values("a").with(CLASSIFICATION).is("b")),
                        "[IdentityStep, LookAheadStep, TraversalFilterStep([PredictedPropertiesStep(a,classification,value" + end + ", IsStep(eq(b))])]"),
                arguments(__.identity().map(__.map(__.values("a").with(REGRESSION))),
                        "[IdentityStep, LookAheadStep, TraversalMapStep([LookAheadStep, TraversalMapStep([PredictedPropertiesStep(a,regression,value" + end + "])])]"));
    }

    @ParameterizedTest
    @MethodSource("rewrites")
    void rewrites(final Traversal<?, ?> before, final String after) {
        final Traversal.Admin<?, ?> traversal = before.asAdmin();
        final TraversalStrategies strategies = new DefaultTraversalStrategies();
        strategies.addStrategies(STRATEGY);
        traversal.setStrategies(strategies);
        traversal.applyStrategies();
        assertEquals(after, traversal.toString());
    }

    @Test
    void explainWorksWithoutEndpointOrService() {
        final String explanation = TinkerGraph.open().traversal().withStrategies(STRATEGY)
                .V().out("l").with(PREDICTION).hasLabel("software").values("a").with(CLASSIFICATION).explain().toString();
        assertTrue(explanation.contains("NeptuneMLStrategy"), explanation);
        assertTrue(explanation.contains("PredictedPropertiesStep"), explanation);
    }

    @ParameterizedTest
    @MethodSource("explained")
    void explainNamesTheEndpointWhereItIsKnown(final Traversal<?, ?> query, final String expected) {
        final String explanation = query.explain().prettyPrint(Integer.MAX_VALUE);
        final String last = explanation.substring(explanation.indexOf("Final Traversal"));
        assertTrue(last.contains(expected), last);
    }

    static Stream<Arguments> explained() {
        final GraphTraversalSource g = TinkerGraph.open().traversal().withStrategies(STRATEGY);
        final GraphTraversalSource configured = TinkerGraph.open().traversal()
                .withStrategies(new NeptuneMLStrategy(new PredictionClient(Settings.build().endpoint("configured").create())));
        return Stream.of(
                arguments(g.V().values("a").with(CLASSIFICATION), "endpoint=?,batch=1..10000,mode=transductive"),
                arguments(g.V().values("a").with(CLASSIFICATION).with(NeptuneML.ENDPOINT, "mine"), "endpoint=mine,"),
                arguments(configured.V().values("a").with(CLASSIFICATION), "endpoint=configured,"),
                arguments(g.V().property("b", 1).values("a").with(CLASSIFICATION), "batch=1,"),
                arguments(g.V().where(__.values("a").with(CLASSIFICATION)), "LookAheadStep, TraversalFilterStep"),
                arguments(g.V().where(__.values("a").with(CLASSIFICATION)).has("b", 1), "TinkerGraphStep(vertex,[b.eq(1)]), LookAheadStep"));
    }

    @Test
    void printsLikeTinkerPopsOwnStrategies() {
        assertEquals("NeptuneMLStrategy", STRATEGY.toString());
    }
}
