package io.github.neptuneml.gremlin.wire;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/** Embeddings of vertices that models do not know, kept for ten seconds (decision 29). Thread-safe. */
public final class EmbeddingCache {

    static final long KEPT_NANOS = 10_000_000_000L;

    private static final int MOST = 100_000;

    private static final class Entry {
        final byte[] row;
        final long nanos;

        Entry(final byte[] row, final long nanos) {
            this.row = row;
            this.nanos = nanos;
        }
    }

    private final Map<List<Object>, Entry> entries = new LinkedHashMap<>();
    private final LongSupplier clock;

    public EmbeddingCache() {
        this(System::nanoTime);
    }

    EmbeddingCache(final LongSupplier clock) {
        this.clock = clock;
    }

    /** Null where it is not known, or no longer. */
    public synchronized byte[] get(final List<Object> key) {
        drop();
        final Entry entry = entries.get(key);
        return entry == null ? null : entry.row;
    }

    public synchronized void put(final List<Object> key, final byte[] row) {
        drop();
        entries.remove(key);
        entries.put(key, new Entry(row, clock.getAsLong()));
    }

    /** The oldest stand first. */
    private void drop() {
        final long now = clock.getAsLong();
        final Iterator<Entry> oldest = entries.values().iterator();
        while (oldest.hasNext() && (now - oldest.next().nanos > KEPT_NANOS || entries.size() > MOST)) oldest.remove();
    }
}
