package io.github.neptuneml.gremlin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.InvalidParameterException;
import io.github.neptuneml.gremlin.strategy.NeptuneMLStrategy;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.jsr223.GremlinPlugin;
import org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategies;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.util.empty.EmptyGraph;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Loading, settings, and how every traversal source gets the strategy. */
class PluginTest {

    @AfterEach
    void unregister() {
        for (final Class<? extends Graph> graph : List.of(Graph.class, TinkerGraph.class))
            TraversalStrategies.GlobalCache.getStrategies(graph).removeStrategies(NeptuneMLStrategy.class);
    }

    private static boolean registered(final Class<? extends Graph> graph) {
        return TraversalStrategies.GlobalCache.getStrategies(graph).getStrategy(NeptuneMLStrategy.class).isPresent();
    }

    private static GremlinPlugin found() {
        return ServiceLoader.load(GremlinPlugin.class).stream().map(ServiceLoader.Provider::get)
                .filter(plugin -> plugin.getName().equals("neptune.ml")).findFirst().orElseThrow();
    }

    @Test
    void isFoundAsAServiceAndActsOnlyWhenSwitchedOn() {
        final GremlinPlugin plugin = found();
        assertFalse(registered(Graph.class));
        assertTrue(plugin.getCustomizers("gremlin-groovy").isPresent());
        assertTrue(registered(Graph.class));
    }

    @Test
    void sourcesThatExistAlreadyGetItToo() {
        final GraphTraversalSource g = AnonymousTraversalSource.traversal().withEmbedded(TinkerFactory.createModern());
        try (FakeService service = new FakeService().with(
                FakeEndpoint.node("country", "node_class", "person", "country", "String").answer("1", "US", 0.9))) {
            NeptuneMLGremlinPlugin.build().serviceUrl(service.url()).endpoint("country").tableLimitMib(64)
                    .pinReuseMillis(500).allowedUrls(List.of("http://127.0.0.1:9")).serviceToken("t").create();
            assertEquals("US", g.V(1).values("country").with(NeptuneML.CLASSIFICATION).next());
        }
        assertFalse(registered(EmptyGraph.class));
    }

    @Test
    void aConfiguredPluginIsNotOverruledByOneWithout() {
        NeptuneMLGremlinPlugin.build().endpoint("mine").create();
        final NeptuneMLStrategy configured =
                TraversalStrategies.GlobalCache.getStrategies(TinkerGraph.class).getStrategy(NeptuneMLStrategy.class).orElseThrow();
        found().getCustomizers();
        assertEquals(configured, TraversalStrategies.GlobalCache.getStrategies(TinkerGraph.class).getStrategy(NeptuneMLStrategy.class).orElseThrow());
        assertTrue(configured == TraversalStrategies.GlobalCache.getStrategies(Graph.class).getStrategy(NeptuneMLStrategy.class).orElseThrow());
    }

    /** Gremlin Server prefers a static instance() and would then ignore the YAML's settings. */
    @Test
    void hasABuilderAndNoInstance() {
        assertTrue(Arrays.stream(NeptuneMLGremlinPlugin.class.getMethods()).noneMatch(method -> method.getName().equals("instance")));
    }

    @Test
    void everySettingCanBeSetEverywhere() {
        final Set<String> settings = Arrays.stream(Settings.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers()) && !Modifier.isStatic(method.getModifiers()))
                .map(Method::getName).collect(Collectors.toSet());
        assertEquals(settings, setters(Settings.Builder.class));
        assertEquals(settings, setters(NeptuneMLGremlinPlugin.Builder.class));
    }

    private static Set<String> setters(final Class<?> builder) {
        return Arrays.stream(builder.getMethods()).filter(method -> method.getParameterCount() == 1 && method.getReturnType() == builder)
                .map(Method::getName).collect(Collectors.toSet());
    }

    @Test
    void settingsComeFromOutsideWhereTheConfigurationIsSilent() {
        final Map<String, String> outside = Map.of("serviceUrl", "http://elsewhere:9000/", "endpoint", "e", "serviceToken", "",
                "allowedUrls", "http://a:1, http://b:2", "tableLimitMib", "8", "pinReuseMillis", "0", "maxRequestMib", "5");
        final Settings settings = new Settings.Builder(outside::get).endpoint("given").create();
        assertEquals("http://elsewhere:9000", settings.serviceUrl().toString());
        assertEquals("given", settings.endpoint().orElseThrow());
        assertTrue(settings.serviceToken().isEmpty());
        assertEquals(2, settings.allowedUrls().size());
        assertEquals(8, settings.tableLimitMib());
        assertEquals(0, settings.pinReuseMillis());
        assertEquals(5, settings.maxRequestMib());
    }

    @Test
    void settingsHaveDefaults() {
        final Settings settings = new Settings.Builder(name -> null).create();
        assertEquals(Settings.DEFAULT_SERVICE_URL, settings.serviceUrl().toString());
        assertEquals(1000, settings.pinReuseMillis());
        assertEquals(32, settings.maxRequestMib());
        assertTrue(settings.endpoint().isEmpty() && settings.allowedUrls().isEmpty());
    }

    @Test
    void environmentNamesAreUpperSnakeCase() {
        assertEquals("NEPTUNEML_SERVICE_URL", Settings.Builder.environmentName("serviceUrl"));
        assertEquals("NEPTUNEML_TABLE_LIMIT_MIB", Settings.Builder.environmentName("tableLimitMib"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a b", "../x", "http://elsewhere:1/endpoints/x"})
    void aWrongDefaultEndpointIsRefusedAtStart(final String name) {
        assertThrows(InvalidParameterException.class, () -> NeptuneMLGremlinPlugin.build().endpoint(name).create());
        assertFalse(registered(Graph.class));
    }

    /** What a YAML file may hold in a list. */
    @Test
    void allowedUrlsAreTexts() {
        for (final List<?> urls : Arrays.asList(List.of(8183), Arrays.asList("http://a:1", null), null)) {
            final IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> allow(urls), String.valueOf(urls));
            assertTrue(refusal.getMessage().startsWith("allowedUrls: "), refusal.getMessage());
        }
    }

    @SuppressWarnings("unchecked")
    private static void allow(final List<?> urls) {
        NeptuneMLGremlinPlugin.build().allowedUrls((List<String>) urls).create();
    }

    @ParameterizedTest
    @CsvSource({"serviceUrl, 127.0.0.1:8183", "serviceUrl, ftp://host", "serviceUrl, http://user@host", "serviceUrl, http://",
        "allowedUrls, 'x y'", "pinReuseMillis, -1", "maxRequestMib, 1.5", "tableLimitMib, many", "serviceUrl, http://host/behind/a/proxy",
        "serviceUrl, http://host?a=b", "allowedUrls, http://host/endpoints/x",
        "maxRequestMib, 0"})
    void wrongSettingsAreNamed(final String name, final String value) {
        final IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class,
                () -> new Settings.Builder(Map.of(name, value)::get).create());
        assertTrue(refusal.getMessage().startsWith(name + ": "), refusal.getMessage());
    }
}
