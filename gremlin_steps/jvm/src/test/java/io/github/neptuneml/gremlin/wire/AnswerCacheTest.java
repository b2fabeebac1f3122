package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.failure.NeptuneMLException.TimeLimitExceededException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What was asked is not asked again, whoever asks. */
@Timeout(120)
class AnswerCacheTest {
    private static final int LIMIT = 1000;

    private final TinkerGraph graph = TinkerGraph.open();
    private final AnswerCache cache = new AnswerCache(LIMIT);
    private final Counters counters = new Counters();
    private final List<Vertex> people = IntStream.range(0, 5).mapToObj(this::vertex).collect(Collectors.toList());
    /** The sizes of the batches that were asked for. */
    private final List<Integer> batches = new CopyOnWriteArrayList<>();

    private Vertex vertex(final int id) {
        final var found = graph.vertices(id);
        return found.hasNext() ? found.next() : graph.addVertex(T.id, id);
    }

    private Invocation links(final int topk, final Set<String> exclude, final int... ids) {
        final Invocation invocation = Invocation.ofLinks("knows", "person", true, topk);
        for (final int id : ids) invocation.addEnd(vertex(id), null, exclude);
        return invocation;
    }

    private List<List<Answer>> worker(final Invocation missing) {
        batches.add(missing.size());
        return answersTo(missing);
    }

    private static List<List<Answer>> answersTo(final Invocation missing) {
        final List<List<Answer>> answers = new ArrayList<>();
        for (int i = 0; i < missing.size(); i++) answers.add(List.of(new Answer("of " + missing.item(i).text(0), 0.5)));
        return answers;
    }

    private List<String> ask(final Invocation asked) {
        return texts(cache.answers(asked, new Deadline("e", 10_000), counters, this::worker));
    }

    private static List<String> texts(final List<List<Answer>> answers) {
        return answers.stream().map(list -> list.get(0).id()).collect(Collectors.toList());
    }

    @Test
    void knownItemsAreNotAskedAgain() {
        assertEquals(List.of("of 1", "of 2"), ask(links(1, Set.of(), 1, 2)));
        assertEquals(List.of("of 3", "of 2", "of 1", "of 3"), ask(links(1, Set.of(), 3, 2, 1, 3)));
        assertEquals(List.of("of 1"), ask(links(1, Set.of(), 1)));
        assertEquals(List.of(2, 1), batches);
        assertEquals(4, counters.cacheHits);
    }

    @Test
    void otherQuestionsAreAsked() {
        ask(links(1, Set.of(), 1));
        ask(links(2, Set.of(), 1));
        ask(links(1, Set.of("7"), 1));
        ask(links(1, Set.of("7", "8"), 1));
        ask(links(1, Set.of(), 1).threshold(0.5));
        ask(links(1, Set.of(), 1).threshold("tuned"));
        ask(links(1, Set.of(), 1).score(true));
        final Invocation heads = Invocation.ofLinks("knows", "person", false, 1);
        heads.addEnd(vertex(1), null, Set.of());
        ask(heads);
        final Invocation typed = Invocation.ofLinks("knows", "person", true, 1);
        typed.addEnd(vertex(1), "person", Set.of());
        ask(typed);
        final Invocation likes = Invocation.ofLinks("likes", "person", true, 1);
        likes.addEnd(vertex(1), null, Set.of());
        ask(likes);
        assertEquals(0, counters.cacheHits);
        assertEquals(10, batches.size());
        ask(links(1, Set.of("8", "7"), 1));
        assertEquals(1, counters.cacheHits, "the order of what is excluded does not matter");
    }

    @Test
    void theOldestGo() {
        for (int id = 0; id < 3 * LIMIT; id++) ask(links(1, Set.of(), id));
        batches.clear();
        ask(links(1, Set.of(), 3 * LIMIT - 1));
        assertEquals(0, batches.size());
        ask(links(1, Set.of(), 0));
        assertEquals(List.of(1), batches);
    }

    @Test
    void whatIsUsedStays() {
        ask(links(1, Set.of(), 0));
        for (int id = 1; id < 3 * LIMIT; id++) ask(links(1, Set.of(), id, 0));
        assertTrue(batches.stream().allMatch(size -> size == 1));
        assertEquals(3 * LIMIT, batches.size());
    }

    /** A thread that asks and waits until it is released. */
    private final class Asking {
        final CountDownLatch release = new CountDownLatch(1);
        final CompletableFuture<List<String>> outcome = new CompletableFuture<>();
        final Thread thread;

        Asking(final RuntimeException failure, final int... ids) throws InterruptedException {
            final CountDownLatch asks = new CountDownLatch(1);
            thread = new Thread(() -> {
                try {
                    outcome.complete(texts(cache.answers(links(1, Set.of(), ids), new Deadline("e", 10_000), new Counters(), missing -> {
                        asks.countDown();
                        await(release);
                        if (failure != null) throw failure;
                        return worker(missing);
                    })));
                } catch (final RuntimeException e) {
                    outcome.completeExceptionally(e);
                }
            });
            thread.start();
            asks.await();
        }
    }

    private static void await(final CountDownLatch latch) {
        try {
            latch.await();
        } catch (final InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private CompletableFuture<List<String>> inBackground(final Invocation asked) {
        return CompletableFuture.supplyAsync(() -> ask(asked));
    }

    @Test
    void whatAnotherThreadAsksIsWaitedFor() throws Exception {
        final Asking first = new Asking(null, 1, 2);
        final CompletableFuture<List<String>> second = inBackground(links(1, Set.of(), 2, 3));
        while (batches.isEmpty()) Thread.onSpinWait();
        assertEquals(List.of(1), batches, "only 3 is asked for by the second");
        first.release.countDown();
        assertEquals(List.of("of 2", "of 3"), second.get());
        assertEquals(List.of("of 1", "of 2"), first.outcome.get());
        assertEquals(List.of(1, 2), batches);
        assertEquals(1, counters.cacheHits);
    }

    @Test
    void whereTheOtherFailsTheWaiterAsksItself() throws Exception {
        final Asking first = new Asking(new IllegalStateException("died"), 1, 2);
        final CompletableFuture<List<String>> second = inBackground(links(1, Set.of(), 2, 3));
        while (batches.isEmpty()) Thread.onSpinWait();
        first.release.countDown();
        assertEquals(List.of("of 2", "of 3"), second.get());
        assertTrue(first.outcome.handle((answers, failure) -> failure instanceof IllegalStateException).get());
        assertEquals(List.of(1, 1), batches);
    }

    /** The cache turns over all the time, also while something is asked for that then fails. */
    @Test
    void failuresAndTurningGenerationsLeaveNothingBehind() throws Exception {
        final AnswerCache tiny = new AnswerCache(6);
        final ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            final List<Callable<Integer>> runs = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                final Random random = new Random(thread);
                runs.add(() -> askOftenOfAWorkerThatFails(tiny, random));
            }
            for (final Future<Integer> run : threads.invokeAll(runs)) assertTrue(run.get() > 0);
        } finally {
            threads.shutdownNow();
        }
    }

    private int askOftenOfAWorkerThatFails(final AnswerCache tiny, final Random random) {
        int answered = 0;
        for (int i = 0; i < 30_000; i++) {
            final Invocation asked = Invocation.ofLinks("knows", "person", true, 1);
            final Set<String> ids = new LinkedHashSet<>();
            while (ids.size() < 2) ids.add(String.valueOf(random.nextInt(5)));
            ids.forEach(id -> asked.addEnd(people.get(Integer.parseInt(id)), null, Set.of()));
            try {
                final List<String> answers = texts(tiny.answers(asked, new Deadline("e", 10_000), new Counters(), missing -> {
                    Thread.yield();
                    if (random.nextBoolean()) throw new IllegalStateException("died");
                    return answersTo(missing);
                }));
                assertEquals(ids.stream().map(id -> "of " + id).collect(Collectors.toList()), answers);
                answered++;
            } catch (final IllegalStateException e) {
                assertEquals("died", e.getMessage());
            }
        }
        return answered;
    }

    @Test
    void aWaiterKeepsItsOwnDeadline() throws Exception {
        final Asking first = new Asking(null, 1);
        assertThrows(TimeLimitExceededException.class,
                () -> cache.answers(links(1, Set.of(), 1), new Deadline("e", 20), counters, this::worker));
        first.release.countDown();
        assertEquals(List.of("of 1"), first.outcome.get());
    }

    @Test
    void aWaiterCanBeInterrupted() throws Exception {
        final Asking first = new Asking(null, 1);
        final CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        final Thread waiter = new Thread(() -> {
            final RuntimeException failure = assertThrows(RuntimeException.class, () -> ask(links(1, Set.of(), 1)));
            outcome.complete(Thread.currentThread().isInterrupted() ? failure : null);
        });
        waiter.start();
        waiter.interrupt();
        assertInstanceOf(TraversalInterruptedException.class, outcome.get());
        first.release.countDown();
        first.thread.join();
    }
}
