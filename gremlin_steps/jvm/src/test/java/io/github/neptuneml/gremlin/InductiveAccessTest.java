package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.INDUCTIVE_INFERENCE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.step.filter.HasStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.EdgeVertexStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.map.GraphStep;
import org.apache.tinkerpop.gremlin.process.traversal.step.util.HasContainer;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.AbstractTraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.finalization.ReferenceElementStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.EdgeLabelVerificationStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.ReadOnlyStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalHelper;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What a query may not see is not sent to a worker, whichever strategy hides it and whatever is asked. */
class InductiveAccessTest extends PredictionTest {

    /** Beside what {@link HalfHidden} hides, a property's value ({@code VALUE}). */
    @BeforeEach
    void halfHidden() {
        graph = HalfHidden.create();
        graph.vertices("friend").next().property(VertexProperty.Cardinality.list, "name", "VALUE", "room", "closed");
        service.with(model(FakeEndpoint.node("country", "node_class", "person", "country", "String")).answer("*", "US", 0.9));
        service.with(model(FakeEndpoint.edge("mood", "edge_class", "person", "knows", "person", "mood", "String")).answer("*", "calm", 0.8));
    }

    private static FakeEndpoint model(final FakeEndpoint endpoint) {
        return endpoint.inductive(10, 10).reads("person", "name").reads(HalfHidden.KNOWS, "since");
    }

    /** Hides closed vertices, as a graph's own access rules might. */
    private static final class Rooms extends AbstractTraversalStrategy<TraversalStrategy.ProviderOptimizationStrategy>
            implements TraversalStrategy.ProviderOptimizationStrategy {
        private static final long serialVersionUID = 1L;

        @Override
        public void apply(final Traversal.Admin<?, ?> traversal) {
            TraversalHelper.getStepsOfAssignableClass(EdgeVertexStep.class, traversal).forEach(step ->
                    TraversalHelper.insertAfterStep(new HasStep<>(traversal, new HasContainer("room", P.eq("open"))), step, traversal));
            TraversalHelper.getStepsOfAssignableClass(GraphStep.class, traversal).forEach(step ->
                    TraversalHelper.insertAfterStep(new HasStep<>(traversal, new HasContainer("room", P.eq("open"))), step, traversal));
        }
    }

    private static Stream<Arguments> rules() {
        return Stream.of(
                arguments("SubgraphStrategy, vertices", List.of("VERTEX", "BEHIND"), SubgraphStrategy.build().vertices(__.has("room", "open")).create()),
                arguments("SubgraphStrategy, vertices alone", List.of("VERTEX", "BEHIND"), SubgraphStrategy.build().vertices(__.has("room", "open")).checkAdjacentVertices(false).create()),
                arguments("SubgraphStrategy, edges", List.of("EDGE"), SubgraphStrategy.build().edges(__.has("room", "open")).create()),
                arguments("SubgraphStrategy, properties", List.of("VALUE"), SubgraphStrategy.build().vertexProperties(__.not(__.has("room", "closed"))).create()),
                arguments("SubgraphStrategy, all", List.of("VERTEX", "BEHIND", "EDGE", "VALUE"), SubgraphStrategy.build().vertices(__.has("room", "open"))
                        .edges(__.has("room", "open")).vertexProperties(__.not(__.has("room", "closed"))).create()),
                arguments("PartitionStrategy", List.of("VERTEX", "BEHIND", "EDGE"), PartitionStrategy.build().partitionKey("room").readPartitions("open").create()),
                arguments("PartitionStrategy, properties", List.of("VERTEX", "BEHIND", "EDGE", "VALUE"), PartitionStrategy.build().partitionKey("room").readPartitions("open").includeMetaProperties(true).create()),
                arguments("ReadOnlyStrategy", List.of(), ReadOnlyStrategy.instance()),
                arguments("EdgeLabelVerificationStrategy", List.of(), EdgeLabelVerificationStrategy.build().throwException().create()),
                arguments("ReferenceElementStrategy", List.of(), ReferenceElementStrategy.instance()),
                arguments("a provider's own", List.of("VERTEX", "BEHIND"), new Rooms()));
    }

    private static final Map<String, BiFunction<InductiveAccessTest, TraversalStrategy<?>, Traversal<?, ?>>> FORMS = Map.of(
            "vertices", (test, rule) -> test.source("country", rule).V("me").values("country").with(CLASSIFICATION),
            "nested", (test, rule) -> test.source("country", rule).V("me").project("c").by(__.values("country").with(CLASSIFICATION)),
            "edges", (test, rule) -> test.source("mood", rule).E("e1").values("mood").with(CLASSIFICATION),
            "edges of hidden vertices", (test, rule) -> test.source("mood", rule).E("e3").values("mood").with(CLASSIFICATION));

    private GraphTraversalSource source(final String endpoint, final TraversalStrategy<?> rule) {
        return g(endpoint).with(INDUCTIVE_INFERENCE).withStrategies(rule);
    }

    static Stream<Arguments> table() {
        return rules().flatMap(rule -> FORMS.keySet().stream().sorted().map(form -> arguments(rule.get()[0], form, rule.get()[1], rule.get()[2])));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("table")
    void sendsNothingInvisible(final String name, final String form, final List<String> hidden, final TraversalStrategy<?> rule) {
        final boolean any = FORMS.get(form).apply(this, rule).hasNext();
        final boolean asksOfHidden = form.equals("edges of hidden vertices") && hidden.contains("VERTEX");
        assertEquals(!asksOfHidden, any, "an edge with an end that is not seen has no answer");
        assertEquals(asksOfHidden ? 0 : 1, service.requests.size());
        if (asksOfHidden) return;
        final String body = service.requests.get(0).body.toString();
        for (final String text : List.of("VERTEX", "BEHIND", "EDGE", "VALUE"))
            assertEquals(!hidden.contains(text), body.contains(text), text + ": " + body);
        assertTrue(body.contains("me") && body.contains("friend") && body.contains("far"), body);
    }
}
