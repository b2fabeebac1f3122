package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.table.XxHash64;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.apache.tinkerpop.shaded.jackson.core.JsonGenerator;
import org.apache.tinkerpop.shaded.jackson.databind.JsonNode;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.apache.tinkerpop.shaded.jackson.databind.node.ObjectNode;
import org.junit.jupiter.api.Test;

/** Requests as docs/wire.md, section 2, shows them. */
class InvocationTest {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final TinkerGraph graph = TinkerGraph.open();
    private final Vertex ann = graph.addVertex(T.id, "ann", T.label, "Reader");
    private final Vertex odd = graph.addVertex(T.id, "o\"d\\d\n☃", T.label, "Reader");

    private static JsonNode data(final Invocation invocation) throws IOException {
        return MAPPER.readTree(invocation.toJson("v1", "r1", 250, Long.MAX_VALUE)).path("data");
    }

    /** All but the id of the request. */
    private static String parameters(final Invocation invocation) throws IOException {
        final ObjectNode parameters = (ObjectNode) data(invocation).path("globalParameters");
        assertEquals("r1", parameters.remove("requestId").asText());
        return parameters.toString().replace('"', '\'');
    }

    private static Invocation links(final boolean tails) {
        return Invocation.ofLinks("borrowed", "Book", tails, 7);
    }

    @Test
    void linksNameTheKnownEndAndTheLabelOfTheOther() throws IOException {
        final Invocation tails = links(true);
        tails.addEnd(ann, "Reader", Set.of());
        tails.addEnd(odd, "Reader", Set.of());
        assertEquals("{'edgeType':'borrowed','tailNodeType':'Book','topk':7,'columns':true,'packed':true,'deadlineMs':250,'artifactVersion':'v1'}", parameters(tails));
        assertEquals("{\"headNodeId\":[\"ann\",\"o\\\"d\\\\d\\n☃\"],\"headNodeType\":[\"Reader\",\"Reader\"]}", data(tails).path("items").toString());
        assertEquals("predict_tail", MAPPER.readTree(tails.toJson("v1", "r1", 1, 999)).path("mode").asText());
        final Invocation heads = links(false);
        heads.addEnd(ann, null, Set.of());
        assertEquals("{\"tailNodeId\":[\"ann\"]}", data(heads).path("items").toString());
        assertEquals("predict_head", MAPPER.readTree(heads.toJson("v1", "r1", 1, 999)).path("mode").asText());
    }

    @Test
    void whatIsToBeLeftOutStandsBesideItsItem() throws IOException {
        final Invocation tails = links(true);
        tails.addEnd(ann, null, Set.of());
        tails.addEnd(odd, null, List.of("b1"));
        assertEquals("[null,[\"b1\"]]", data(tails).path("items").path("exclude").toString());
    }

    @Test
    void thresholdsAreNumbersOrTunedAndScoresAreAskedFor() throws IOException {
        assertTrue(parameters(links(true).threshold(0.5)).contains("'threshold':0.5,"));
        assertTrue(parameters(links(true).threshold("tuned").score(true)).contains("'threshold':'tuned','score':true,"));
    }

    @Test
    void embeddingsAreAskedForByLabel() throws IOException {
        final Invocation embed = Invocation.ofEmbeddings("Reader").with("subgraph", json -> json.writeString("here"));
        embed.addNode(ann);
        assertEquals("{'nodeType':'Reader','columns':true,'deadlineMs':250,'artifactVersion':'v1'}", parameters(embed));
        assertEquals("\"here\"", data(embed).path("subgraph").toString());
        assertTrue(embed.isInductive() && !links(true).isInductive());
    }

    @Test
    void aPartAsksTheSameOfItsItemsAlone() throws IOException {
        final Invocation all = links(true).threshold(0.5).score(true);
        for (final Vertex vertex : List.of(ann, odd, ann)) all.addEnd(vertex, null, Set.of(vertex.id().toString()));
        final Invocation part = all.only(List.of(2, 1));
        assertEquals(all.question(), part.question());
        assertEquals(parameters(all), parameters(part));
        assertEquals(2, part.size());
        assertEquals(all.item(2), part.item(0));
        assertEquals(all.item(0), part.item(0));
        assertEquals(all.item(0).hashCode(), part.item(0).hashCode());
        assertNotEquals(part.item(0), part.item(1));
    }

    @Test
    void equalQuestionsAreThoseThatHaveTheSameAnswer() {
        assertEquals(links(true).question(), links(true).question());
        for (final Invocation other : List.of(links(false), links(true).threshold(0.5), links(true).threshold("tuned"), links(true).score(true),
                Invocation.ofLinks("read", "Book", true, 7), Invocation.ofLinks("borrowed", "Film", true, 7), Invocation.ofLinks("borrowed", "Book", true, 8)))
            assertNotEquals(links(true).question(), other.question());
    }

    @Test
    void itemsWithTheSameIdAndOtherExclusionsDiffer() {
        final Invocation tails = links(true);
        tails.addEnd(ann, null, Set.of());
        tails.addEnd(ann, null, Set.of("b1"));
        tails.addEnd(ann, "Reader", Set.of());
        assertNotEquals(tails.item(0), tails.item(1));
        assertNotEquals(tails.item(0), tails.item(2));
    }

    private Invocation property(final String element) throws IOException {
        final String json = "{'status':'InService','version':'v1','addresses':[],'idHashes':true,'task':'" + element + "_class','target':{'element':'"
                + element + "','label':'Reader','from':'Reader','to':'Reader','property':'p','dataType':'String'}}";
        return Invocation.ofProperty(new DescriptionReader().read(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8),
                EndpointReference.parse("e", Settings.build().create())), 1);
    }

    private static List<Long> hashes(final JsonNode packed) {
        final LongBuffer longs = ByteBuffer.wrap(Base64.getDecoder().decode(packed.asText())).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
        return LongStream.generate(longs::get).limit(longs.remaining()).boxed().collect(Collectors.toList());
    }

    @Test
    void idsAreHashedWhereTheWorkerTakesThat() throws IOException {
        final Invocation nodes = property("node");
        nodes.addNode(ann);
        nodes.addNode(odd);
        final JsonNode items = data(nodes).path("items");
        assertEquals(List.of(XxHash64.of("ann", 0), XxHash64.of("o\"d\\d\n☃", 0)), hashes(items.path("nodeHash")));
        assertEquals(1, items.size());
        final Invocation edges = property("edge");
        edges.addEdge(ann.addEdge("Reader", odd));
        assertEquals(hashes(data(edges.only(List.of(0))).path("items").path("tailNodeHash")), List.of(XxHash64.of("o\"d\\d\n☃", 0)));
        assertEquals(2, data(edges).path("items").size());
        assertEquals("[\"ann\"]", data(edges.with("subgraph", JsonGenerator::writeNull)).path("items").path("headNodeId").toString());
    }

    @Test
    void aRequestIsGatheredUpToTheLimit() {
        final Invocation tails = links(true);
        tails.addEnd(ann, null, Set.of());
        final int length = tails.toJson("v1", "r1", 250, Long.MAX_VALUE).length;
        assertEquals(length, tails.toJson("v1", "r1", 250, length).length);
        assertThrows(RequestTooLarge.class, () -> tails.toJson("v1", "r1", 250, length - 1));
    }
}
