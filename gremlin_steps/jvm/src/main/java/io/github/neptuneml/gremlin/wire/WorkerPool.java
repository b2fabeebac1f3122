package io.github.neptuneml.gremlin.wire;

import java.net.URI;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/** The workers of an endpoint: the least busy one first, those that could not be reached not for a second. */
final class WorkerPool {

    private static final long REST_NANOS = 1_000_000_000L;

    /** A worker's address and how many of our requests it has in hand. */
    static final class Worker {
        final URI address;
        final AtomicInteger inFlight = new AtomicInteger();
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
        return workers.stream().filter(worker -> !worker.isResting())
                .sorted(Comparator.comparingInt(worker -> worker.inFlight.get())).collect(Collectors.toList());
    }
}
