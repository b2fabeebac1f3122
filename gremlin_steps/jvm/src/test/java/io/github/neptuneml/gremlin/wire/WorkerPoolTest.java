package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.URI;
import java.util.List;
import java.util.stream.Collectors;
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
        assertEquals(List.of("a", "c"), order());
    }
}
