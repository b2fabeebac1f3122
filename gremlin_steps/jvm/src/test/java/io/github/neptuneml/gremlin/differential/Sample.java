package io.github.neptuneml.gremlin.differential;

import java.util.Random;
import java.util.stream.Stream;

/** Which rows of the table run: all of them, or the same random share each time (pom.xml says where and why). */
final class Sample {

    private static final long SEED = 20;

    private Sample() {
    }

    static <T> Stream<T> of(final Stream<T> rows) {
        return of(rows, Integer.getInteger("differential.percent", 100));
    }

    static <T> Stream<T> of(final Stream<T> rows, final int percent) {
        final Random random = new Random(SEED);
        return rows.sequential().filter(row -> random.nextInt(100) < percent);
    }
}
