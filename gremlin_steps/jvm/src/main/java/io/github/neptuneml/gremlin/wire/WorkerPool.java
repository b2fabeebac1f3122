package io.github.neptuneml.gremlin.wire;

import java.net.URI;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/** The workers of an endpoint: the least busy one first, equally busy ones in turn, unreachable ones not for a second. */
final class WorkerPool {

    private static final long REST_NANOS = 1_000_000_000L;

    /** A worker's address and how many of our requests it has in hand. */
    static final class Worker {
        final URI address;
        final AtomicInteger inFlight = new AtomicInteger();
        private volatile long turn;
        private volatile long restUntil;
        private volatile boolean resting;

        Worker(final URI address) {
            this.address = address;
        }

        void rest() {
            restUntil = System.nanoTime() + REST_NANOS;
            resting = true;
        }

        boolean isResting() {
            return resting && System.nanoTime() - restUntil < 0;
        }
    }

    final String token;
    private final List<Worker> workers;
    private final AtomicLong turns = new AtomicLong();

    WorkerPool(final List<URI> addresses, final String token) {
        this.token = token;
        workers = addresses.stream().map(Worker::new).collect(Collectors.toUnmodifiableList());
    }

    /** Whether these are the same workers, with the same token. */
    boolean isSame(final WorkerPool other) {
        return token.equals(other.token) && addresses().equals(other.addresses());
    }

    private List<URI> addresses() {
        return workers.stream().map(worker -> worker.address).collect(Collectors.toList());
    }

    List<Worker> leastBusyFirst() {
        final List<Worker> order = workers.stream().filter(worker -> !worker.isResting()).map(Rank::new)
                .sorted(Rank.ORDER).map(rank -> rank.worker).collect(Collectors.toList());
        if (!order.isEmpty()) order.get(0).turn = turns.incrementAndGet();
        return order;
    }

    /** A worker as it is at one moment: what changes while it is sorted by cannot be sorted by. */
    private static final class Rank {
        static final Comparator<Rank> ORDER = Comparator.<Rank>comparingInt(rank -> rank.inFlight).thenComparingLong(rank -> rank.turn);

        final Worker worker;
        final int inFlight;
        final long turn;

        Rank(final Worker worker) {
            this.worker = worker;
            inFlight = worker.inFlight.get();
            turn = worker.turn;
        }
    }
}
