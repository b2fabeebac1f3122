package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Embeddings of new candidates are kept for ten seconds. */
class EmbeddingCacheTest {

    private long now;
    private final EmbeddingCache cache = new EmbeddingCache(() -> now);

    @Test
    void forgetsAfterTenSeconds() {
        final byte[] row = {1};
        cache.put(List.of("a"), row);
        now = 10_000_000_000L;
        assertSame(row, cache.get(List.of("a")));
        assertNull(cache.get(List.of("b")));
        now++;
        assertNull(cache.get(List.of("a")));
    }

    @Test
    void aNewerRowLivesLonger() {
        cache.put(List.of("a"), new byte[1]);
        cache.put(List.of("b"), new byte[1]);
        now = 9_000_000_000L;
        final byte[] newer = {2};
        cache.put(List.of("a"), newer);
        now = 12_000_000_000L;
        assertSame(newer, cache.get(List.of("a")));
        assertNull(cache.get(List.of("b")));
    }
}
