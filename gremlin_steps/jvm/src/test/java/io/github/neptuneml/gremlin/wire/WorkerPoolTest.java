package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which worker is asked first. */
class WorkerPoolTest {

    private final WorkerPool pool = new WorkerPool(List.of(URI.create("http://a"), URI.create("http://b"), URI.create("http://c")), "token");

    private List<String> order() {
        return pool.leastBusyFirst().stream().map(worker -> worker.address.getHost()).collect(Collectors.toList());
    }

    private WorkerPool.Worker worker(final String host) {
        return pool.leastBusyFirst().stream().filter(worker -> worker.address.getHost().equals(host)).findFirst().orElseThrow();
    }

    @Test
    void theLeastBusyComesFirst() {
        worker("a").inFlight.set(2);
        worker("b").inFlight.set(1);
        assertEquals(List.of("c", "b", "a"), order());
    }

    @Test
    void theUnreachableRest() {
        worker("b").rest();
        assertEquals(Set.of("a", "c"), Set.copyOf(order()));
        worker("a").rest();
        worker("c").rest();
        assertEquals(List.of(), order());
    }

    @Test
    void equallyBusyOnesTakeTurns() {
        assertEquals(Map.of("a", 10L, "b", 10L, "c", 10L), firsts(30));
        worker("b").inFlight.set(1);
        assertEquals(Map.of("a", 15L, "c", 15L), firsts(30));
        worker("a").rest();
        assertEquals(Map.of("c", 30L), firsts(30));
    }

    private Map<String, Long> firsts(final int times) {
        return IntStream.range(0, times).mapToObj(i -> order().get(0))
                .collect(Collectors.groupingBy(host -> host, Collectors.counting()));
    }

    @Test
    void whoComesBackHasOneTurnAsAllOthers() {
        worker("c").inFlight.set(9);
        firsts(100);
        worker("c").inFlight.set(0);
        assertEquals(Map.of("a", 10L, "b", 10L, "c", 10L), firsts(30));
    }

    @Test
    void aSingleWorkerNeedsNoOrder() {
        final WorkerPool single = new WorkerPool(List.of(URI.create("http://a")), "token");
        assertEquals(1, single.leastBusyFirst().size());
        assertEquals(0, new WorkerPool(List.of(), "token").leastBusyFirst().size());
    }

    @Test
    void loadsThatChangeMeanwhileDoNotBreakTheOrder() throws InterruptedException {
        final List<URI> many = IntStream.range(0, 64).mapToObj(i -> URI.create("http://" + i)).collect(Collectors.toList());
        final WorkerPool busy = new WorkerPool(many, "token");
        final AtomicBoolean isOver = new AtomicBoolean();
        final Thread load = new Thread(() -> {
            final Random random = new Random(0);
            while (!isOver.get()) busy.leastBusyFirst().forEach(worker -> worker.inFlight.set(random.nextInt(9)));
        });
        load.start();
        try {
            for (int i = 0; i < 5000; i++) assertEquals(64, busy.leastBusyFirst().size());
        } finally {
            isOver.set(true);
            load.join();
        }
    }
}
