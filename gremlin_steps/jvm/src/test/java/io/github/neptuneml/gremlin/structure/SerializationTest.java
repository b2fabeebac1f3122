package io.github.neptuneml.gremlin.structure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.github.neptuneml.gremlin.table.XxHash64;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONMapper;
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONVersion;
import org.apache.tinkerpop.gremlin.structure.util.detached.DetachedFactory;
import org.apache.tinkerpop.gremlin.structure.util.reference.ReferenceFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

/** Predicted properties travel as stored ones do: detached, referenced, in GraphSON. */
class SerializationTest {

    private static final long ORIGIN = XxHash64.of("e\0v1", 0);
    private final Graph graph = TinkerFactory.createModern();
    private final Vertex marko = graph.vertices(1).next();
    private final Edge edge = graph.edges(9).next();
    private final VertexProperty<String> country = new PredictedVertexProperty<>(marko, "country", "US", ORIGIN, 0);
    private final Property<String> mood = new PredictedProperty<>(edge, "mood", "calm");

    @Test
    void detaching() {
        final VertexProperty<?> detached = DetachedFactory.detach(country, true);
        assertEquals(country.id(), detached.id());
        assertEquals("US", detached.value());
        assertEquals(marko, detached.element());
        assertEquals(country, ReferenceFactory.detach(country));
        assertEquals("calm", DetachedFactory.detach(mood).value());
        assertEquals(edge, ReferenceFactory.detach(mood).element());
    }

    @Test
    void graphSon() throws IOException {
        final ObjectMapper mapper = GraphSONMapper.build().version(GraphSONVersion.V3_0).create().createMapper();
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        mapper.writeValue(bytes, country);
        final VertexProperty<?> read = (VertexProperty<?>) mapper.readValue(new ByteArrayInputStream(bytes.toByteArray()), Object.class);
        assertEquals(country.id(), read.id());
        assertEquals("US", read.value());
        bytes.reset();
        mapper.writeValue(bytes, mood);
        assertEquals("calm", ((Property<?>) mapper.readValue(new ByteArrayInputStream(bytes.toByteArray()), Object.class)).value());
    }

    @Test
    void idsTellEveryOriginApart() {
        assertEquals(country, new PredictedVertexProperty<>(marko, "country", "US", ORIGIN, 0));
        assertNotEquals(country, new PredictedVertexProperty<>(marko, "country", "US", XxHash64.of("e\0v2", 0), 0), "another version");
        assertNotEquals(country, new PredictedVertexProperty<>(marko, "country", "US", XxHash64.of("f\0v1", 0), 0), "another endpoint");
        assertNotEquals(country, new PredictedVertexProperty<>(marko, "country", "US", ORIGIN, 1), "another rank");
        assertNotEquals(country, new PredictedVertexProperty<>(marko, "region", "US", ORIGIN, 0), "another key");
        assertNotEquals(country, new PredictedVertexProperty<>(graph.vertices(2).next(), "country", "US", ORIGIN, 0), "another vertex");
    }
}
