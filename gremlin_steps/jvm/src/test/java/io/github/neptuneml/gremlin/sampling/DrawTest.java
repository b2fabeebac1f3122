package io.github.neptuneml.gremlin.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which edges a draw takes, and that it holds no more of them than it gives. */
class DrawTest {

    private final List<Edge> edges = new ArrayList<>();

    private void edges(final int count) {
        numbered(count, "e");
    }

    private void numbered(final int count, final String prefix) {
        final Vertex vertex = TinkerGraph.open().addVertex();
        for (int i = 0; i < count; i++) edges.add(vertex.addEdge("self", vertex, T.id, prefix.isEmpty() ? (Object) i : prefix + i));
    }

    private Draw draw(final int most, final long seed) {
        final Draw draw = new Draw(most);
        for (final Edge edge : edges) draw.offer(edge, edge.outVertex(), seed);
        return draw;
    }

    private static List<Object> ids(final Draw draw) {
        return draw.drawn().stream().map(drawn -> drawn.edge.id()).collect(Collectors.toList());
    }

    @Test
    void takesAllWhereThereAreFewer() {
        edges(7);
        assertEquals(7, new HashSet<>(ids(draw(10, 1))).size());
        assertEquals(7, new HashSet<>(ids(draw(-1, 1))).size(), "a negative fan-out means all");
        assertEquals(List.of(), ids(draw(0, 1)));
        assertEquals(7, draw(0, 1).seen());
    }

    @Test
    void holdsNoMoreThanItGives() {
        edges(2000);
        final Draw draw = new Draw(10);
        for (final Edge edge : edges) {
            draw.offer(edge, edge.outVertex(), 5);
            assertTrue(draw.drawn().size() <= 10);
        }
        assertEquals(2000, draw.seen());
    }

    @Test
    void theGraphsOrderDoesNotMatter() {
        edges(500);
        final List<Object> drawn = ids(draw(10, 5));
        Collections.shuffle(edges, new Random(1));
        assertEquals(drawn, ids(draw(10, 5)));
    }

    @Test
    void theSeedDoes() {
        edges(500);
        assertNotEquals(ids(draw(10, 5)), ids(draw(10, 6)));
    }

    /** 4000 draws of 5 out of 50: each edge about 400 times; 5 standard deviations are 95. */
    @ParameterizedTest
    @ValueSource(strings = {"", "e"})
    void everyEdgeIsAsLikely(final String prefix) {
        numbered(50, prefix);
        final int[] times = new int[50];
        for (long seed = 0; seed < 4000; seed++)
            for (final Object id : ids(draw(5, seed))) times[Integer.parseInt(id.toString().substring(prefix.length()))]++;
        for (final int count : times) assertTrue(Math.abs(count - 400) < 95, "drawn " + count + " times");
    }

    @Test
    void smallerDrawsAreTheBeginningOfLargerOnes() {
        edges(100);
        assertEquals(ids(draw(20, 3)).subList(0, 5), ids(draw(5, 3)));
    }

    @Test
    void hashesOfSimilarIdsDiffer() {
        final Set<Long> hashes = new HashSet<>();
        for (int i = 0; i < 100_000; i++) {
            hashes.add(Draw.hash(i, 0));
            hashes.add(Draw.hash("e" + i, 0));
        }
        assertEquals(200_000, hashes.size());
        assertEquals(Draw.hash(7, 0), Draw.hash(7L, 0));
    }
}
