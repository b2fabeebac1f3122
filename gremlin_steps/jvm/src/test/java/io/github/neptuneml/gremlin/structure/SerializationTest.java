package io.github.neptuneml.gremlin.structure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.github.neptuneml.gremlin.table.XxHash64;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Date;
import java.util.List;
import java.util.function.UnaryOperator;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Graph;
import org.apache.tinkerpop.gremlin.structure.Property;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.structure.VertexProperty;
import org.apache.tinkerpop.gremlin.structure.io.Buffer;
import org.apache.tinkerpop.gremlin.structure.io.binary.GraphBinaryReader;
import org.apache.tinkerpop.gremlin.structure.io.binary.GraphBinaryWriter;
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONMapper;
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONVersion;
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONXModuleV2;
import org.apache.tinkerpop.gremlin.structure.io.graphson.GraphSONXModuleV3;
import org.apache.tinkerpop.gremlin.structure.util.detached.DetachedFactory;
import org.apache.tinkerpop.gremlin.structure.util.reference.ReferenceFactory;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory;
import org.apache.tinkerpop.gremlin.util.ser.NettyBufferFactory;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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

    /** What a client gets: the property itself, or inside of what a query made of it. */
    private void assertTravels(final UnaryOperator<Object> wire) {
        for (final Object sent : List.of(country, DetachedFactory.detach(country, true), ReferenceFactory.detach(country))) {
            final VertexProperty<?> read = (VertexProperty<?>) wire.apply(sent);
            assertEquals(List.of(country.id(), "country", "US"), List.of(read.id(), read.key(), read.value()));
            assertFalse(read.properties().hasNext(), "nothing was asked for beside it");
        }
        for (final Object sent : List.of(mood, DetachedFactory.detach(mood), ReferenceFactory.detach(mood))) {
            final Property<?> read = (Property<?>) wire.apply(sent);
            assertEquals(List.of("mood", "calm"), List.of(read.key(), read.value()));
        }
        for (final Object value : List.of("US", 29.5, 7L, 7, true, new Date(86_400_000L)))
            assertEquals(value, ((VertexProperty<?>) wire.apply(new PredictedVertexProperty<>(marko, "k", value, ORIGIN, 0))).value());
    }

    @ParameterizedTest
    @EnumSource(value = GraphSONVersion.class, names = {"V2_0", "V3_0"})
    void graphSon(final GraphSONVersion version) {
        final ObjectMapper mapper = GraphSONMapper.build().version(version)
                .addCustomModule(version == GraphSONVersion.V2_0 ? GraphSONXModuleV2.build() : GraphSONXModuleV3.build()).create().createMapper();
        assertTravels(sent -> {
            try {
                return mapper.readValue(mapper.writeValueAsBytes(sent), Object.class);
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    @Test
    void graphBinary() {
        assertTravels(sent -> {
            final Buffer buffer = new NettyBufferFactory().create(Unpooled.buffer());
            try {
                new GraphBinaryWriter().write(sent, buffer);
                return new GraphBinaryReader().read(buffer);
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            } finally {
                buffer.release();
            }
        });
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
