package io.github.neptuneml.gremlin.table;

import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.io.IOException;
import java.util.Collections;
import java.util.Comparator;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tables of all endpoints, together no larger than a limit: the least recently used go first. Each has a
 * {@link Slot}, which belongs to one version of an endpoint and is gone with it.
 */
public final class Tables {
    private static final Logger LOG = LoggerFactory.getLogger(Tables.class);
    private static final long RETRY_NANOS = 60_000_000_000L;

    /** Where a table comes from. */
    public interface Source {
        /** How large the file is said to be. */
        long bytes();

        /**
         * Loads the table.
         *
         * @param limitBytes how much memory it may take, its index included
         * @throws IOException if there is no usable table
         * @throws NeptuneMLException if it does not come in time
         */
        PredictionTable load(long limitBytes) throws IOException;
    }

    /** The place of one table. */
    public static final class Slot {
        private volatile PredictionTable table;
        private volatile long usedAt;
        private CompletableFuture<Void> loading;
        private boolean failed;
        private long failedNanos;
    }

    private final long limitBytes;
    private final Set<Slot> taken = Collections.newSetFromMap(new WeakHashMap<>());
    private final AtomicLong uses = new AtomicLong();

    public Tables(final long limitBytes) {
        this.limitBytes = limitBytes;
    }

    /**
     * The table of a slot, loaded by the first who asks; the others wait for it.
     *
     * @param name of the table, for the log
     * @param waitMillis how long the caller waits for another's load
     * @return null where it cannot be had: too large, not there, unusable, or late
     */
    public PredictionTable get(final Slot slot, final String name, final Source source, final long waitMillis) {
        if (limitBytes == 0) return null;
        slot.usedAt = uses.incrementAndGet();
        final long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(waitMillis);
        for (PredictionTable table = slot.table; ; table = slot.table) {
            if (table != null) return table;
            final CompletableFuture<Void> mine = new CompletableFuture<>();
            final CompletableFuture<Void> loading;
            synchronized (slot) {
                if (slot.table != null) continue;
                if (slot.failed && System.nanoTime() - slot.failedNanos < RETRY_NANOS) return null;
                if (slot.loading == null) slot.loading = mine;
                loading = slot.loading;
            }
            if (loading == mine) return load(slot, name, source);
            if (!await(loading, deadline - System.nanoTime())) return null;
        }
    }

    private PredictionTable load(final Slot slot, final String name, final Source source) {
        try {
            if (source.bytes() > limitBytes) throw new IOException("it is larger than 'tableLimitMib' allows");
            final PredictionTable table = source.load(limitBytes);
            take(slot, table);
            return table;
        } catch (final IOException | NeptuneMLException e) {
            fail(slot, name, e);
            return null;
        } finally {
            synchronized (slot) {
                slot.loading.complete(null);
                slot.loading = null;
            }
        }
    }

    private synchronized void take(final Slot slot, final PredictionTable table) {
        slot.table = table;
        taken.add(slot);
        while (taken.stream().mapToLong(other -> other.table.bytes()).sum() > limitBytes) {
            final Slot oldest = taken.stream().filter(other -> other != slot)
                    .min(Comparator.comparingLong(other -> other.usedAt)).orElseThrow();
            taken.remove(oldest);
            oldest.table = null;
        }
    }

    private static void fail(final Slot slot, final String name, final Exception reason) {
        synchronized (slot) {
            if (!slot.failed) LOG.warn("the table of {} is not used, its answers are asked for instead: {}", name, reason.getMessage());
            slot.failed = true;
            slot.failedNanos = System.nanoTime();
        }
    }

    private static boolean await(final CompletableFuture<Void> loading, final long nanos) {
        try {
            loading.get(nanos, TimeUnit.NANOSECONDS);
            return true;
        } catch (final TimeoutException e) {
            return false;
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TraversalInterruptedException();
        } catch (final ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
