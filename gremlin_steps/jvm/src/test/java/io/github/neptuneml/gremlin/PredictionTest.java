package io.github.neptuneml.gremlin;

import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import io.github.neptuneml.gremlin.wire.PredictionClient;
import org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What most tests start from: TinkerPop's modern graph, a fake service with an endpoint per task, and {@code g}. */
public abstract class PredictionTest {

    protected FakeService service;
    protected Graph graph;

    @BeforeEach
    final void startService() {
        graph = TinkerFactory.createModern();
        service = new FakeService()
                .with(FakeEndpoint.node("country", "node_class", "person", "country", "String").tuned(0.5)
                        .answer("1", "US", 0.9).answer("1", "DE", 0.08)
                        .answer("2", "FR", 0.6).answer("2", "US", 0.4)
                        .answer("4", "DE", 0.7).answer("6", "US", 0.3))
                .with(FakeEndpoint.node("age", "node_regression", "person", "age", "Integer")
                        .answer("1", 29.5, 0).answer("2", 27.0, 0).answer("4", 32.25, 0).answer("6", 35.0, 0))
                .with(FakeEndpoint.edge("mood", "edge_class", "person", "created", "software", "mood", "String")
                        .answer("1>3", "calm", 0.8).answer("4>5", "tense", 0.7).answer("4>3", "calm", 0.6).answer("6>3", "dull", 0.5))
                .with(FakeEndpoint.edge("weight", "edge_regression", "person", "created", "software", "weight", "Double")
                        .answer("1>3", 0.41, 0).answer("4>5", 0.99, 0).answer("4>3", 0.42, 0).answer("6>3", 0.22, 0))
                .with(links());
    }

    /** Tails of 'created' rank software 3 over 5, tails of 'knows' rank persons; 77 is gone from the graph. */
    private static FakeEndpoint links() {
        return FakeEndpoint.links("links", new String[] {"person", "created", "software"}, new String[] {"person", "knows", "person"})
                .ids("person", "Integer", 5).ids("software", "Integer", 3)
                .answer("1", "77", 0.95).answer("1", "3", 0.9).answer("1", "5", 0.8)
                .answer("2", "5", 0.7).answer("2", "3", 0.6)
                .answer("4", "3", 0.55).answer("4", "5", 0.5).answer("6", "5", 0.4)
                .answer("3", "2", 0.9).answer("3", "1", 0.8).answer("3", "6", 0.7)
                .answer("5", "6", 0.9).answer("5", "1", 0.3);
    }

    @AfterEach
    final void stopService() {
        service.close();
    }

    protected final Settings.Builder settings() {
        return Settings.build().serviceUrl(service.url()).pinReuseMillis(1000);
    }

    protected final GraphTraversalSource g(final Settings settings) {
        return AnonymousTraversalSource.traversal().withEmbedded(graph)
                .withStrategies(new NeptuneMLStrategy(new PredictionClient(settings)));
    }

    /** A source without an endpoint. */
    protected final GraphTraversalSource g() {
        return g(settings().create());
    }

    protected final GraphTraversalSource g(final String endpoint) {
        return g().with(NeptuneML.ENDPOINT, endpoint);
    }
}
