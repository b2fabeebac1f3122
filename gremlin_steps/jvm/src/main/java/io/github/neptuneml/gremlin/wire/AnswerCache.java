package io.github.neptuneml.gremlin.wire;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;

/**
 * The answers that one version of an endpoint has given. Nothing is asked twice: what is known is not asked again, and
 * what somebody is asking already is waited for.
 *
 * <p>Two generations bound it: when the young one is full, the old one goes and the young one becomes old.
 */
final class AnswerCache {
    /** An answer, or null once whoever asked has failed. */
    private static final class Pending extends CompletableFuture<List<Answer>> {
        boolean hasFailed() {
            return isDone() && join() == null;
        }
    }

    private final int limit;
    /** By question and item. */
    private volatile Map<Object, Map<Item, Pending>> young = new ConcurrentHashMap<>();
    private volatile Map<Object, Map<Item, Pending>> old = new ConcurrentHashMap<>();
    private long weight;

    /** Makes a cache of at most so many answers; an item counts as one more. */
    AnswerCache(final int limit) {
        this.limit = limit;
    }

    /**
     * Answers an invocation, asking only for what is not known.
     *
     * @param worker asked for the remaining items, if there are any
     * @return one list per item
     */
    List<List<Answer>> answers(final Invocation asked, final Deadline deadline, final Counters counters,
                               final Function<Invocation, List<List<Answer>>> worker) {
        final Object question = asked.question();
        final List<Item> items = IntStream.range(0, asked.size()).mapToObj(asked::item).collect(Collectors.toList());
        final List<List<Answer>> answers = new ArrayList<>(Collections.nCopies(asked.size(), null));
        List<Integer> open = IntStream.range(0, asked.size()).boxed().collect(Collectors.toList());
        while (!open.isEmpty()) {
            final Claims claims = new Claims(question, asked, items, open);
            claims.ask(worker);
            for (int i = 0; i < open.size(); i++) answers.set(open.get(i), await(claims.pending.get(i), deadline));
            final int before = open.size();
            open = open.stream().filter(position -> answers.get(position) == null).collect(Collectors.toList());
            counters.cacheHits += before - open.size() - claims.mine.size();
        }
        return answers;
    }

    /** Who answers each open item: somebody else, or nobody yet and so this thread. */
    private final class Claims {
        final List<Pending> pending;
        final List<Integer> mine = new ArrayList<>();
        private final List<Pending> promised = new ArrayList<>();
        private final Invocation asked;
        private final List<Item> items;
        /** Those of now: what turns old meanwhile is still found there. */
        private final Map<Item, Pending> youngItems;
        private final Map<Item, Pending> oldItems;

        Claims(final Object question, final Invocation asked, final List<Item> items, final List<Integer> open) {
            this.asked = asked;
            this.items = items;
            pending = new ArrayList<>(open.size());
            youngItems = items(young, question);
            oldItems = items(old, question);
            for (final int position : open) {
                final Pending known = youngItems.get(items.get(position));
                pending.add(known != null && !known.hasFailed() ? known : claim(position));
            }
        }

        /** One that has failed may still be found, or be moved from old to young just now, and is nobody's promise any more. */
        private Pending claim(final int position) {
            final Item item = items.get(position);
            final Pending fresh = new Pending();
            final Pending older = oldItems.get(item);
            final Pending candidate = older == null || older.hasFailed() ? fresh : older;
            final Pending claimed = youngItems.merge(item, candidate, (found, mine) -> found.hasFailed() ? mine : found);
            if (claimed == fresh) {
                mine.add(position);
                promised.add(fresh);
            } else if (claimed == older && claimed.isDone() && !claimed.hasFailed()) weigh(weight(item, claimed.join()));
            return claimed;
        }

        /** Keeps every promise, also where the asking fails: nobody must wait for ever. */
        void ask(final Function<Invocation, List<List<Answer>>> worker) {
            if (mine.isEmpty()) return;
            try {
                final List<List<Answer>> given = worker.apply(mine.size() == asked.size() ? asked : asked.only(mine));
                for (int i = 0; i < mine.size(); i++) promised.get(i).complete(given.get(i));
                weigh(IntStream.range(0, mine.size()).map(i -> weight(items.get(mine.get(i)), given.get(i))).sum());
            } finally {
                for (int i = 0; i < mine.size(); i++)
                    if (promised.get(i).complete(null)) forget(items.get(mine.get(i)), promised.get(i));
            }
        }

        private void forget(final Item item, final Pending failed) {
            youngItems.remove(item, failed);
            oldItems.remove(item, failed);
        }
    }

    private static Map<Item, Pending> items(final Map<Object, Map<Item, Pending>> generation, final Object question) {
        return generation.computeIfAbsent(question, key -> new ConcurrentHashMap<>());
    }

    private static int weight(final Item item, final List<Answer> answers) {
        return 1 + item.exclude.size() + answers.size();
    }

    private synchronized void weigh(final int answers) {
        weight += answers;
        if (weight <= limit / 2) return;
        weight = 0;
        old = young;
        young = new ConcurrentHashMap<>();
    }

    private static List<Answer> await(final Pending pending, final Deadline deadline) {
        try {
            return pending.isDone() ? pending.join() : pending.get(deadline.leftMillis(), TimeUnit.MILLISECONDS);
        } catch (final TimeoutException e) {
            throw deadline.exceeded();
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TraversalInterruptedException();
        } catch (final ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
