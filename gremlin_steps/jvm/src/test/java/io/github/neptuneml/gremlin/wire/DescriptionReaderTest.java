package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The description as docs/wire.md shows it, and what is refused. */
class DescriptionReaderTest {

    private static final String DOCUMENTED = "{ 'name': 'airport-country', 'status': 'InService', 'version': '5f0c2a9be1d7c340',"
            + " 'task': 'node_class',"
            + " 'target': { 'element': 'node', 'label': 'airport', 'property': 'country', 'dataType': 'String', 'multiLabel': false },"
            + " 'schema': { 'nodes': [ { 'label': 'airport', 'idType': 'Integer', 'count': 3504 } ],"
            + "             'edges': [ { 'from': 'airport', 'label': 'route', 'to': 'airport', 'count': 50637 } ] },"
            + " 'threshold': 0.41, 'idHashes': true, 'modes': ['transductive', 'inductive'],"
            + " 'inductive': { 'fanouts': [10, 5], 'nodes': { 'airport': ['runways', 'elev'] },"
            + " 'edges': [ { 'from': 'airport', 'label': 'route', 'to': 'airport', 'properties': ['dist'] } ], 'maxNewCandidates': 1000 },"
            + " 'addresses': ['http://127.0.0.1:41873'], 'token': 't' }";

    private static EndpointDescription read(final String json) {
        final EndpointReference reference = EndpointReference.parse("airport-country", Settings.build().create());
        return new DescriptionReader().read(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8), reference);
    }

    @Test
    void readsTheDocumentedExample() {
        final EndpointDescription description = read(DOCUMENTED);
        assertEquals("5f0c2a9be1d7c340", description.version());
        assertEquals(Task.NODE_CLASS, description.task());
        assertEquals("country", description.property());
        assertEquals("airport", description.nodeLabel());
        assertEquals(0.41, description.threshold().orElseThrow());
        assertEquals(3504, description.count("airport"));
        assertEquals(12, description.id("12", "airport"));
        assertTrue(description.takesHashes);
        assertEquals("a node classification of property 'country' of vertices labelled 'airport'", description.toString());
    }

    @Test
    void readsWhatAnInductiveAnswerReads() {
        final InductiveSchema schema = read(DOCUMENTED).inductive().orElseThrow();
        assertEquals(List.of(10, 5), schema.fanouts());
        assertEquals(List.of("runways", "elev"), schema.properties("airport"));
        assertTrue(schema.knows("airport") && !schema.knows("country"));
        assertEquals(List.of("dist"), schema.type("airport", "route", "airport").properties);
        assertNull(schema.type("airport", "route", "country"));
        assertNull(schema.type("airport", "contains", "airport"));
        assertEquals(1000, schema.maxNewCandidates());
        assertEquals(Set.of(List.of("runways", "elev"), List.of("dist")), schema.propertyKeys());
    }

    @Test
    void aModelMayKnowOnlyWhatItWasTrainedWith() {
        for (final String none : List.of("'inductive': null", "'modes': ['transductive']"))
            assertTrue(read(DOCUMENTED.replaceAll("'inductive': \\{.*'maxNewCandidates': 1000 }", none)).inductive().isEmpty());
    }

    @Test
    void readsLinkPrediction() {
        final EndpointDescription description = read("{'status': 'InService', 'version': 'v', 'task': 'link_prediction', 'addresses': [],"
                + " 'target': {'element': 'edge', 'edges': [{'from': 'user', 'label': 'rated', 'to': 'movie'}, {'from': 'critic', 'label': 'rated', 'to': 'movie'}]}}");
        assertEquals(Set.of("user", "critic"), description.inputLabels("rated", "movie", true));
        assertEquals(Set.of("movie"), description.inputLabels("rated", "user", false));
        assertEquals(Set.of(), description.inputLabels("rated", "user", true));
        assertEquals(Integer.MAX_VALUE, description.count("movie"));
        assertEquals("12", description.id("12", "movie"), "an unknown id type is left to the graph");
        assertTrue(description.threshold().isEmpty());
        assertFalse(description.takesHashes, "nobody has said so");
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "{'status': 'InService', 'version': 'v', 'task': 'node_regression', 'target': {'element': 'node', 'label': 'a', 'property': 'p'}, 'inductive': {'fanouts': ['x'], 'maxNewCandidates': 1}}",
        "{'status': 'InService', 'version': 'v', 'task': 'node_regression', 'target': {'element': 'node', 'label': 'a', 'property': 'p'}, 'inductive': {'fanouts': [1]}}",
        "{'status': 'InService', 'version': 'v', 'task': 'node_regression', 'target': {'element': 'node', 'label': 'a', 'property': 'p'}, 'inductive': {'fanouts': [1], 'edges': [{}], 'maxNewCandidates': 1}}",
        "", "[]", "no json", "{'status': 'InService'}",
        "{'status': 'InService', 'version': 'v', 'task': 'poetry'}",
        "{'status': 'InService', 'version': 'v', 'task': 'node_class', 'target': {'element': 'node', 'label': 'a', 'property': 'p'}}",
        "{'status': 'InService', 'version': 'v', 'task': 'link_prediction', 'target': {'element': 'edge', 'edges': [{'from': 'a', 'label': 'b'}]}}",
        "{'status': 'InService', 'version': 'v', 'task': 'node_regression', 'addresses': ['not a url'], 'target': {'element': 'node', 'label': 'a', 'property': 'p'}}"})
    void refusesWhatItCannotUse(final String json) {
        final NeptuneMLException refusal = assertThrows(NeptuneMLException.class, () -> read(json));
        assertEquals("ConstraintViolationException", refusal.code());
        assertTrue(refusal.getMessage().contains("airport-country"), refusal.getMessage());
    }
}
