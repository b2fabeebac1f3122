package io.github.neptuneml.gremlin.columns;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.NeptuneML;
import io.github.neptuneml.gremlin.PredictionTest;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.TraversalStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.PartitionStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.SubgraphStrategy;
import org.apache.tinkerpop.gremlin.process.traversal.strategy.verification.ReadOnlyStrategy;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty.Cardinality;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code valueMap().with("NeptuneML#columns", n)} sends: every value of every visible element, and nothing else. */
class ColumnsTest extends PredictionTest {

    @Test
    void verticesBecomeColumns() {
        final Map<String, Object> block = only(g().V().hasLabel("person").valueMap());
        assertEquals(Map.of("version", 2, "rows", 4, "label", "person", "idType", "Integer"), subset(block, "version", "rows", "label", "idType"));
        assertEquals(List.of("1", "2", "4", "6"), ids(block));
        assertEquals(List.of("marko", "vadas", "josh", "peter"), texts(values(block, "name", 0)));
        assertEquals(List.of("29", "27", "32", "35"), texts("Integer", values(block, "age", 0)));
        assertEquals(List.of("Integer"), column(block, "age").get("types"));
        assertFalse(column(block, "age").containsKey("sizes"));
        assertFalse(column(block, "age").containsKey("codes"));
    }

    @Test
    void edgesCarryTheirEnds() {
        final Map<String, Object> block = only(g().E().hasLabel("knows").valueMap("weight"));
        assertEquals(Map.of("label", "knows", "sourceLabel", "person", "targetLabel", "person"), subset(block, "label", "sourceLabel", "targetLabel"));
        assertEquals(List.of("1", "1"), texts("Integer", block.get("sources")));
        assertEquals(List.of("2", "4"), texts("Integer", block.get("targets")));
        final ByteBuffer weights = (ByteBuffer) values(block, "weight", 0);
        assertEquals(List.of(0.5, 1.0), List.of(weights.getDouble(0), weights.getDouble(8)));
        assertEquals(16, weights.array().length, "TinkerPop sends the whole array");
    }

    @Test
    void anElementThatComesTwiceIsTwoRows() {
        assertEquals(List.of("3", "3", "3"), ids(only(g().V().out("created").hasId(3).barrier().valueMap())));
        assertEquals(List.of("3", "3", "3"), ids(only(g().V().out("created").hasId(3).valueMap())));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 6, 100_000})
    void batchesHaveTheRowsThatWereAskedFor(final int rows) {
        final List<Map<String, Object>> blocks = blocks(g().V().hasLabel("person").valueMap(), rows);
        assertEquals(List.of("1", "2", "4", "6"), blocks.stream().flatMap(block -> ids(block).stream()).collect(Collectors.toList()));
        assertEquals((4 + rows - 1) / rows, blocks.size());
    }

    @Test
    void everyTypeIsABlock() {
        final List<Map<String, Object>> blocks = blocks(g().E().valueMap(), 100);
        assertEquals(List.of("knows software", "knows person", "created software").subList(1, 3),
                blocks.stream().map(block -> block.get("label") + " " + block.get("targetLabel")).collect(Collectors.toList()));
    }

    @Test
    void idsOfTwoClassesAreTwoBlocks() {
        graph = TinkerGraph.open();
        graph.addVertex(T.id, 1, T.label, "x");
        graph.addVertex(T.id, 2L, T.label, "x");
        assertEquals(List.of("Integer", "Long"), blocks(g().V().valueMap(), 100).stream().map(block -> block.get("idType")).sorted().collect(Collectors.toList()));
    }

    @Test
    void endsOfTwoClassesAreTwoBlocks() {
        graph = TinkerGraph.open();
        final Vertex first = graph.addVertex(T.id, 1, T.label, "x");
        final Vertex second = graph.addVertex(T.id, "two", T.label, "x");
        first.addEdge("to", first, T.id, "e1");
        first.addEdge("to", second, T.id, "e2");
        final Map<Object, Object> targets = new HashMap<>();
        blocks(g().E().valueMap(), 100).forEach(block ->
                targets.put(ids(block), texts((String) block.get("targetIdType"), block.get("targets"))));
        assertEquals(Map.of(List.of("e1"), List.of("1"), List.of("e2"), List.of("two")), targets);
    }

    @Test
    void blocksAreNeverEqual() {
        final List<Map<String, Object>> twice = blocks(g().V(1, 1).valueMap(), 1);
        assertEquals(twice.get(0).toString(), twice.get(1).toString());
        assertEquals(2, Set.copyOf(twice).size());
    }

    @Test
    void aLargeRowEndsABatch() {
        graph = TinkerGraph.open();
        IntStream.range(0, 5).forEach(i -> graph.addVertex("text", "x".repeat(5_000_000)));
        assertEquals(List.of(2, 2, 1), blocks(g().V().valueMap(), 1000).stream().map(block -> block.get("rows")).collect(Collectors.toList()));
    }

    private static Stream<Arguments> valuesOfOneProperty() {
        final UUID uuid = UUID.fromString("41d2e28a-20a4-4ab0-b379-d810dede3786");
        return Stream.of(
                arguments("String", "a\0b;\"\n", "a\0b;\"\n"),
                arguments("String", "", ""),
                arguments("String", uuid, uuid.toString()),
                arguments("String", new BigDecimal("1.50"), "1.50"),
                arguments("String", 'c', "c"),
                arguments("Byte", (byte) 1, "1"),
                arguments("Short", (short) -2, "-2"),
                arguments("Integer", Integer.MIN_VALUE, "-2147483648"),
                arguments("Long", Long.MIN_VALUE, "-9223372036854775808"),
                arguments("Float", -0.0f, "-0.0"),
                arguments("Double", 1e-7, "1.0E-7"),
                arguments("Boolean", true, "true"),
                arguments("Date", new Date(1500), "1970-01-01T00:00:01.500Z"),
                arguments("Date", Instant.ofEpochSecond(1), "1970-01-01T00:00:01Z"),
                arguments("Date", OffsetDateTime.parse("2020-01-01T02:00+02:00"), "2020-01-01T00:00:00Z"));
    }

    @ParameterizedTest
    @MethodSource("valuesOfOneProperty")
    void valuesKeepTypeAndText(final String type, final Object value, final String text) {
        graph = TinkerGraph.open();
        graph.addVertex("value", value);
        final Map<String, Object> block = only(g().V().valueMap());
        assertEquals(List.of(type), column(block, "value").get("types"));
        assertEquals(List.of(text), texts(type, values(block, "value", 0)));
    }

    @Test
    void severalValuesNoneAndMixedTypes() {
        graph = TinkerGraph.open();
        final Vertex several = graph.addVertex(T.id, 0, "x", 1);
        several.property(Cardinality.list, "x", "two");
        graph.addVertex(T.id, 1);
        graph.addVertex(T.id, 2, "x", List.of());
        graph.addVertex(T.id, 3, "x", new float[] {0.5f, Float.NaN});
        graph.addVertex(T.id, 4, "x", List.of(List.of(7), "8"));
        final Map<String, Object> block = only(g().V().valueMap());
        assertEquals(List.of("Integer", "String", "Float"), column(block, "x").get("types"));
        assertEquals(List.of(2, -1, 0, 2, 2), sizes(block, "x"));
        assertEquals(ByteBuffer.wrap(new byte[] {0, 1, 2, 2, 0, 1}), column(block, "x").get("codes"));
        assertEquals(List.of("two", "8"), texts(values(block, "x", 1)));
        assertTrue(Float.isNaN(((ByteBuffer) values(block, "x", 2)).getFloat(4)));
    }

    @Test
    void propertiesOfNullAreNone() {
        graph = TinkerGraph.open();
        ((TinkerGraph) graph).configuration().setProperty(TinkerGraph.GREMLIN_TINKERGRAPH_ALLOW_NULL_PROPERTY_VALUES, true);
        graph = TinkerGraph.open(((TinkerGraph) graph).configuration());
        graph.addVertex("x", null, "y", 1);
        assertEquals(List.of("y"), keys(only(g().V().valueMap())));
    }

    @Test
    void rowsThatLackAPropertyAreTold() {
        final Map<String, Object> block = only(g().V(1, 3).hasLabel("person", "software").valueMap("lang", "age").with("ignored"));
        assertEquals("person", block.get("label"), "software is another block");
        assertEquals(List.of("age"), keys(block));
    }

    @Test
    void aFingerprintStandsForAllRows() {
        final Map<String, Object> found = fingerprint(g().V().hasLabel("person").valueMap());
        assertEquals(Map.of("version", 2, "rows", 4L), subset(found, "version", "rows"));
        assertEquals(found, fingerprint(g().V(6, 4, 2, 1).valueMap()), "the order plays no part");
        assertEquals(0L, fingerprint(g().V().hasLabel("nobody").valueMap()).get("rows"));
    }

    private static Stream<Arguments> changes() {
        return Stream.of(
                arguments("another value", (Consumer<GraphTraversalSource>) g -> g.V(1).property("name", "markp").iterate()),
                arguments("values that change places", (Consumer<GraphTraversalSource>) g ->
                        g.V(1).property("name", "vadas").V(2).property("name", "marko").iterate()),
                arguments("another type", (Consumer<GraphTraversalSource>) g -> g.V(1).property("age", 29.0).iterate()),
                arguments("another key", (Consumer<GraphTraversalSource>) g -> g.V(1).property("nome", "marko").properties("name").drop().iterate()),
                arguments("one value more", (Consumer<GraphTraversalSource>) g -> g.V(1).property(Cardinality.list, "name", "m").iterate()),
                arguments("one element for another", (Consumer<GraphTraversalSource>) g -> {
                    g.V(4).drop().iterate();
                    g.addV("person").property(T.id, 7).property("name", "josh").property("age", 32).iterate();
                }));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("changes")
    void aFingerprintIsAnotherAfterAChange(final String name, final Consumer<GraphTraversalSource> change) {
        final Map<String, Object> before = fingerprint(g().V().hasLabel("person").valueMap());
        final Map<String, Object> ids = fingerprint(g().V().hasLabel("person").valueMap(""));
        change.accept(g());
        final Map<String, Object> after = fingerprint(g().V().hasLabel("person").valueMap());
        assertEquals(4L, after.get("rows"));
        assertNotEquals(before.get("fingerprint"), after.get("fingerprint"));
        assertEquals(!name.equals("one element for another"), ids.equals(fingerprint(g().V().hasLabel("person").valueMap(""))), "ids alone");
    }

    @ParameterizedTest
    @MethodSource("valuesOfOneProperty")
    void aFingerprintDependsOnContentAlone(final String type, final Object value, final String text) {
        graph = TinkerGraph.open();
        graph.addVertex(T.id, 1, "value", value, "list", List.of(value, new Object[] {value}));
        final Map<String, Object> found = fingerprint(g().V().valueMap());
        graph = TinkerGraph.open();
        graph.addVertex(T.id, 1, "list", List.of(value, new Object[] {value}), "value", value);
        assertEquals(found, fingerprint(g().V().valueMap()));
        graph.vertices().next().property("value", text + " ");
        assertNotEquals(found, fingerprint(g().V().valueMap()));
    }

    private static Stream<Arguments> rules() {
        return Stream.of(
                arguments("none", List.of()),
                arguments("vertices", List.of(SubgraphStrategy.build().vertices(__.has("room", "open")).create())),
                arguments("edges", List.of(SubgraphStrategy.build().edges(__.has("room", "open")).create())),
                arguments("properties", List.of(SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("VALUE"))).create())),
                arguments("all", List.of(SubgraphStrategy.build().vertices(__.has("room", "open")).edges(__.has("room", "open"))
                        .vertexProperties(__.not(__.hasValue("VALUE"))).create())),
                arguments("partition", List.of(PartitionStrategy.build().partitionKey("room").readPartitions("open").create())),
                arguments("partition, properties", List.of(PartitionStrategy.build().partitionKey("room").readPartitions("open").includeMetaProperties(true).create())),
                arguments("several", List.of(ReadOnlyStrategy.instance(), PartitionStrategy.build().partitionKey("room").readPartitions("open").create(),
                        SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("VALUE"))).create())));
    }

    /** The blocks hold what other queries show: elements, properties, values. (valueMap() itself shows nothing at all under two rules.) */
    @ParameterizedTest(name = "{0}")
    @MethodSource("rules")
    void accessRulesHold(final String name, final Collection<TraversalStrategy<?>> strategies) {
        halfHidden();
        final GraphTraversalSource g = g().withStrategies(strategies.toArray(new TraversalStrategy<?>[0]));
        final Map<String, Map<Object, Object>> shown = new HashMap<>();
        g.V().project("id", "properties").by(T.id).by(__.properties().fold())
                .forEachRemaining(row -> shown.put((String) row.get("id"), byKey((List<?>) row.get("properties"))));
        final Map<String, Map<Object, Object>> sent = new HashMap<>();
        blocks(g.V().valueMap(), 2).forEach(block -> rows(block, sent));
        assertEquals(shown, sent);
        assertEquals((long) shown.size(), fingerprint(g.V().valueMap()).get("rows"));
        final List<String> edges = g.E().id().toStream().map(Object::toString).sorted().collect(Collectors.toList());
        assertEquals(edges, blocks(g.E().valueMap(), 2).stream().flatMap(block -> ids(block).stream()).sorted().collect(Collectors.toList()));
        assertEquals((long) edges.size(), fingerprint(g.E().valueMap()).get("rows"));
        final boolean isHiding = !strategies.isEmpty();
        final String all = sent.toString() + edges;
        assertEquals(isHiding, Stream.of("VERTEX", "EDGE", "VALUE").anyMatch(word -> !all.contains(word)), all);
    }

    @Test
    void aFingerprintDoesNotTellOfHiddenValues() {
        halfHidden();
        final GraphTraversalSource shown = g().withStrategies(SubgraphStrategy.build().vertexProperties(__.not(__.hasValue("VALUE"))).create());
        final Map<String, Object> before = fingerprint(shown.V().valueMap());
        final Map<String, Object> all = fingerprint(g().V().valueMap());
        g().V("me").properties("name").hasValue("VALUE").drop().iterate();
        assertEquals(before, fingerprint(shown.V().valueMap()));
        assertNotEquals(all, fingerprint(g().V().valueMap()));
    }

    private void halfHidden() {
        graph = TinkerGraph.open();
        final Vertex me = person("me", "open");
        final Vertex hidden = person("VERTEX", "closed");
        me.property(Cardinality.list, "name", "VALUE", "room", "closed");
        me.addEdge("knows", hidden, T.id, "e1", "room", "open");
        me.addEdge("knows", me, T.id, "EDGE", "room", "closed");
    }

    private Vertex person(final String id, final String room) {
        final Vertex person = graph.addVertex(T.id, id, T.label, "person");
        person.property("room", room, "room", "open");
        person.property(Cardinality.list, "name", id, "room", "open");
        return person;
    }

    private static Map<Object, Object> byKey(final List<?> properties) {
        return properties.stream().map(property -> (Property<?>) property)
                .collect(Collectors.groupingBy(property -> (Object) property.key(), LinkedHashMap::new, Collectors.collectingAndThen(
                        Collectors.mapping(Property::value, Collectors.toList()), values -> (Object) values)));
    }

    /** Adds a block's rows of text properties, as valueMap() has them. */
    private static void rows(final Map<String, Object> block, final Map<String, Map<Object, Object>> rows) {
        final List<String> ids = ids(block);
        ids.forEach(id -> rows.put(id, new LinkedHashMap<>()));
        for (final String key : keys(block)) {
            final List<String> values = new ArrayList<>(texts(values(block, key, 0)));
            final List<Integer> sizes = sizes(block, key);
            for (int row = 0; row < ids.size(); row++) {
                if (sizes.get(row) < 0) continue;
                rows.get(ids.get(row)).put(key, new ArrayList<>(values.subList(0, sizes.get(row))));
                values.subList(0, sizes.get(row)).clear();
            }
        }
    }

    private Map<String, Object> only(final GraphTraversal<?, ?> valueMap) {
        final List<Map<String, Object>> blocks = blocks(valueMap, 100);
        return blocks.get(0);
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> blocks(final Traversal<?, ?> valueMap, final int rows) {
        return (List<Map<String, Object>>) (List<?>) ((GraphTraversal<?, ?>) valueMap).with(NeptuneML.COLUMNS, rows).toList();
    }

    private static Map<String, Object> fingerprint(final Traversal<?, ?> valueMap) {
        final List<Map<String, Object>> found = blocks(valueMap, 0);
        assertEquals(1, found.size());
        return found.get(0);
    }

    private static Map<String, Object> subset(final Map<String, Object> block, final String... members) {
        return Stream.of(members).collect(Collectors.toMap(member -> member, block::get));
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> columns(final Map<String, Object> block) {
        return (List<Map<String, Object>>) block.get("properties");
    }

    private static List<String> keys(final Map<String, Object> block) {
        return columns(block).stream().map(column -> (String) column.get("key")).collect(Collectors.toList());
    }

    private static Map<String, Object> column(final Map<String, Object> block, final String key) {
        return columns(block).stream().filter(column -> key.equals(column.get("key"))).findFirst().orElseThrow();
    }

    private static Object values(final Map<String, Object> block, final String key, final int part) {
        return ((List<?>) column(block, key).get("values")).get(part);
    }

    private static List<Integer> sizes(final Map<String, Object> block, final String key) {
        final ByteBuffer sizes = (ByteBuffer) column(block, key).get("sizes");
        return IntStream.range(0, (int) block.get("rows")).mapToObj(row -> sizes == null ? 1 : sizes.getInt(4 * row)).collect(Collectors.toList());
    }

    private static List<String> ids(final Map<String, Object> block) {
        return texts((String) block.get("idType"), block.get("ids"));
    }

    /** The texts of values of a data type. */
    private static List<String> texts(final String type, final Object encoded) {
        if (!(encoded instanceof ByteBuffer)) return texts(encoded);
        final ByteBuffer numbers = ((ByteBuffer) encoded).duplicate();
        final List<String> texts = new ArrayList<>();
        while (numbers.hasRemaining()) texts.add(next(type, numbers).toString());
        return texts;
    }

    private static Number next(final String type, final ByteBuffer numbers) {
        switch (type) {
            case "Long": return numbers.getLong();
            case "Integer": return numbers.getInt();
            case "Short": return numbers.getShort();
            case "Byte": return numbers.get();
            case "Float": return numbers.getFloat();
            default: return numbers.getDouble();
        }
    }

    private static List<String> texts(final Object encoded) {
        final String text = (String) encoded;
        return text.isEmpty() ? List.of() : List.of(text.substring(1).split(java.util.regex.Pattern.quote(text.substring(0, 1)), -1));
    }
}
