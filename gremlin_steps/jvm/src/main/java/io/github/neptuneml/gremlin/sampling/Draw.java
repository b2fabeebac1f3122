package io.github.neptuneml.gremlin.sampling;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import org.apache.tinkerpop.gremlin.structure.Edge;
import org.apache.tinkerpop.gremlin.structure.Vertex;

/**
 * A uniform draw without replacement from edges of unknown number: those with the smallest hashes. It holds no more than
 * it gives, and depends on the seed and the edges' ids alone, not on the order in which the graph shows them.
 */
final class Draw {

    /** An edge, its far end, and its place in the draw. */
    static final class Drawn {
        final Edge edge;
        final Vertex end;
        private final long hash;

        private Drawn(final Edge edge, final Vertex end, final long hash) {
            this.edge = edge;
            this.end = end;
            this.hash = hash;
        }

        private long hash() {
            return hash;
        }
    }

    private static final long FNV_OFFSET = 0xCBF29CE484222325L;
    private static final long FNV_PRIME = 0x100000001B3L;
    private static final Comparator<Drawn> BY_HASH = Comparator.comparingLong(Drawn::hash);

    private final int most;
    private final PriorityQueue<Drawn> kept = new PriorityQueue<>(BY_HASH.reversed());
    private long seen;

    /** @param most how many to draw; all if negative */
    Draw(final int most) {
        this.most = most < 0 ? Integer.MAX_VALUE : most;
    }

    void offer(final Edge edge, final Vertex end, final long seed) {
        seen++;
        final long hash = hash(edge.id(), seed);
        if (kept.size() >= most) {
            if (most == 0 || hash >= kept.element().hash) return;
            kept.remove();
        }
        kept.add(new Drawn(edge, end, hash));
    }

    /** How many edges there were to draw from. */
    long seen() {
        return seen;
    }

    /** The drawn edges, in an order that only the seed and their ids decide. */
    List<Drawn> drawn() {
        final List<Drawn> drawn = new ArrayList<>(kept);
        drawn.sort(BY_HASH);
        return drawn;
    }

    /** A whole number, or FNV-1a of another id's text, mixed with the seed by MurmurHash3's finalizer. */
    static long hash(final Object id, final long seed) {
        final long bits = id instanceof Long || id instanceof Integer ? ((Number) id).longValue() : fnv(String.valueOf(id));
        return mixed(bits ^ mixed(seed));
    }

    private static long fnv(final String text) {
        long hash = FNV_OFFSET;
        for (int i = 0; i < text.length(); i++) hash = (hash ^ text.charAt(i)) * FNV_PRIME;
        return hash;
    }

    private static long mixed(final long bits) {
        long mixed = (bits ^ (bits >>> 33)) * 0xFF51AFD7ED558CCDL;
        mixed = (mixed ^ (mixed >>> 33)) * 0xC4CEB9FE1A85EC53L;
        return mixed ^ (mixed >>> 33);
    }
}
