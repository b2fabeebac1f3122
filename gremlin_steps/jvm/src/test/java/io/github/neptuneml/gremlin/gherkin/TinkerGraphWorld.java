package io.github.neptuneml.gremlin.gherkin;

import io.cucumber.java.Scenario;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import org.apache.commons.configuration2.BaseConfiguration;
import org.apache.commons.configuration2.Configuration;
import org.apache.tinkerpop.gremlin.LoadGraphWith.GraphData;
import org.apache.tinkerpop.gremlin.TestHelper;
import org.apache.tinkerpop.gremlin.features.TestFiles;
import org.apache.tinkerpop.gremlin.features.World;
import org.apache.tinkerpop.gremlin.jsr223.GremlinPlugin;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.structure.io.Storage;
import org.apache.tinkerpop.gremlin.structure.io.graphml.GraphMLResourceAccess;
import org.apache.tinkerpop.gremlin.tinkergraph.services.TinkerDegreeCentralityFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.services.TinkerTextSearchFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.AbstractTinkerGraph;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;

/**
 * What TinkerPop's feature suite needs from a graph system: TinkerGraph with its services and TinkerPop's data files.
 * As in a Gremlin Server, the graphs are there before the plugin {@value #PLUGIN} is switched on, which happens where
 * the class path holds it. Knows the plugin by name only, because one of the two runs goes without its classes.
 */
public final class TinkerGraphWorld implements World {

    /** {@code true} if the plugin must be there, {@code false} if it must not. */
    static final String PLUGIN_EXPECTED = "gherkin.plugin";

    private static final String PLUGIN = "neptune.ml";
    private static final String STRATEGY = "io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy";
    private static final Map<GraphData, TinkerGraph> GRAPHS = load();

    static {
        ServiceLoader.load(GremlinPlugin.class).stream().map(ServiceLoader.Provider::get)
                .filter(plugin -> plugin.getName().equals(PLUGIN)).forEach(GremlinPlugin::getCustomizers);
    }

    private final Set<String> tags = new HashSet<>();

    private static Map<GraphData, TinkerGraph> load() {
        final Map<GraphData, TinkerGraph> graphs = new EnumMap<>(GraphData.class);
        graphs.put(GraphData.CLASSIC, TinkerFactory.createClassic());
        graphs.put(GraphData.CREW, TinkerFactory.createTheCrew());
        graphs.put(GraphData.GRATEFUL, TinkerFactory.createGratefulDead());
        graphs.put(GraphData.MODERN, TinkerFactory.createModern());
        graphs.put(GraphData.SINK, TinkerFactory.createKitchenSink());
        graphs.values().forEach(TinkerGraphWorld::addServices);
        return graphs;
    }

    private static void addServices(final AbstractTinkerGraph graph) {
        graph.getServiceRegistry().registerService(new TinkerTextSearchFactory(graph));
        graph.getServiceRegistry().registerService(new TinkerDegreeCentralityFactory(graph));
    }

    @Override
    public void beforeEachScenario(final Scenario scenario) {
        tags.clear();
        tags.addAll(scenario.getSourceTagNames());
    }

    @Override
    public GraphTraversalSource getGraphTraversalSource(final GraphData data) {
        final TinkerGraph graph = data == null ? empty() : GRAPHS.get(data);
        final GraphTraversalSource g = graph.traversal();
        checkPlugin(g);
        return tags.contains("@GraphComputerOnly") ? g.withComputer() : g;
    }

    private TinkerGraph empty() {
        final Configuration settings = new BaseConfiguration();
        settings.setProperty(TinkerGraph.GREMLIN_TINKERGRAPH_VERTEX_ID_MANAGER, "INTEGER");
        settings.setProperty(TinkerGraph.GREMLIN_TINKERGRAPH_EDGE_ID_MANAGER, "INTEGER");
        settings.setProperty(TinkerGraph.GREMLIN_TINKERGRAPH_VERTEX_PROPERTY_ID_MANAGER, "LONG");
        settings.setProperty(TinkerGraph.GREMLIN_TINKERGRAPH_ALLOW_NULL_PROPERTY_VALUES, tags.contains("@AllowNullPropertyValues"));
        final TinkerGraph graph = TinkerGraph.open(settings);
        addServices(graph);
        return graph;
    }

    private static void checkPlugin(final GraphTraversalSource g) {
        final boolean there = g.getStrategies().toList().stream().anyMatch(strategy -> strategy.getClass().getName().equals(STRATEGY));
        if (there != Boolean.parseBoolean(System.getProperty(PLUGIN_EXPECTED)))
            throw new IllegalStateException("this run is not what -D" + PLUGIN_EXPECTED + " says: strategies " + g.getStrategies());
    }

    /** The suite names {@code data/tinkerpop-modern.json} and the like, TinkerPop's jar holds them with a format version. */
    @Override
    public String changePathToDataFile(final String path) {
        final String name = path.substring(path.lastIndexOf('/') + 1);
        if (!name.endsWith(".xml")) return TestFiles.PATHS.get(name.replace(".", "-v3."));
        try {
            return Storage.toPath(TestHelper.generateTempFileFromResource(GraphMLResourceAccess.class, name, ""));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
