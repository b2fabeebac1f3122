package io.github.neptuneml.gremlin;

import static io.github.neptuneml.gremlin.NeptuneML.CLASSIFICATION;
import static io.github.neptuneml.gremlin.NeptuneML.PREDICTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.ConstraintViolationException;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.commons.configuration2.BaseConfiguration;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Ids and values keep their Java type, on the id manager that coerces nothing. */
class IdAndValueTypeTest extends PredictionTest {

    static Stream<Arguments> ids() {
        return Stream.of(
                arguments("Integer", 1, 2), arguments("Long", 1L, 2L), arguments("String", "1", "zwei/2"),
                arguments("UUID", new UUID(1, 2), new UUID(3, 4)), arguments("Double", 1.5, 2.5), arguments("Short", (short) 1, (short) 2));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("ids")
    void predictedVerticesAreFoundByTheirIdsType(final String type, final Object from, final Object to) {
        final BaseConfiguration anyIds = new BaseConfiguration();
        anyIds.setProperty(TinkerGraph.GREMLIN_TINKERGRAPH_VERTEX_ID_MANAGER, TinkerGraph.DefaultIdManager.ANY.name());
        graph = TinkerGraph.open(anyIds);
        final Vertex reader = graph.addVertex(T.id, from, T.label, "reader");
        final Vertex book = graph.addVertex(T.id, to, T.label, "book");
        service.with(FakeEndpoint.links("links", new String[] {"reader", "borrowed", "book"})
                .ids("reader", type, 1).ids("book", type, 1)
                .answer(from.toString(), to.toString(), 0.9).answer(to.toString(), from.toString(), 0.9));
        assertEquals(List.of(book), g("links").V(from).out("borrowed").with(PREDICTION).hasLabel("book").toList());
        assertEquals(List.of(reader), g("links").V(to).in("borrowed").with(PREDICTION).hasLabel("reader").toList());
    }

    static Stream<Arguments> values() {
        final Date noon = Date.from(Instant.parse("2024-05-01T12:00:00Z"));
        return Stream.of(
                arguments("String", "7", "7"), arguments("Boolean", true, true), arguments("Boolean", "False", false),
                arguments("Byte", 7, (byte) 7), arguments("Short", 7, (short) 7), arguments("Integer", "7", 7), arguments("Integer", 7.0, 7),
                arguments("Long", 8_000_000_000L, 8_000_000_000L), arguments("Float", 0.5, 0.5f), arguments("Double", 7, 7.0),
                arguments("Date", "2024-05-01T12:00:00Z", noon), arguments("Date", "2024-05-01T12:00:00", noon),
                arguments("Date", "2024-05-01T14:00:00+02:00", noon), arguments("Date", noon.getTime(), noon),
                arguments("Date", "2024-05-01", Date.from(Instant.parse("2024-05-01T00:00:00Z"))));
    }

    @ParameterizedTest
    @MethodSource("values")
    void classesComeBackInThePropertysType(final String type, final Object sent, final Object expected) {
        service.with(FakeEndpoint.node("typed", "node_class", "person", "x", type).answer("1", sent, 0.9));
        assertEquals(expected, g("typed").V(1).values("x").with(CLASSIFICATION).next());
    }

    @ParameterizedTest
    @CsvSource({"Integer, 7.5", "Integer, seven", "Byte, 300", "Boolean, perhaps", "Date, yesterday", "Colour, red"})
    void valuesOfAnotherTypeAreRefused(final String type, final String sent) {
        service.with(FakeEndpoint.node("typed", "node_class", "person", "x", type).answer("1", sent, 0.9));
        assertThrows(ConstraintViolationException.class, () -> g("typed").V(1).values("x").with(CLASSIFICATION).iterate());
    }

    @ParameterizedTest
    @CsvSource({"Admin::Person, Admin;Person", "Person::Admin, Admin;Person", "Person, Person"})
    void labelsOfSeveralPartsAreSortedOnTheWire(final String label, final String onWire) {
        graph = TinkerGraph.open();
        graph.addVertex(T.id, 1, T.label, label);
        service.with(FakeEndpoint.node("typed", "node_class", onWire, "x", "String").answer("1", "y", 0.9));
        assertEquals(List.of("y"), g("typed").V().values("x").with(CLASSIFICATION).toList());
    }
}
