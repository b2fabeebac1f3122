package io.github.neptuneml.gremlin.differential;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SampleTest {

    private static List<Integer> sampled(final int percent) {
        return Sample.of(IntStream.range(0, 1000).boxed(), percent).collect(Collectors.toList());
    }

    @Test
    void allRowsAreAllRows() {
        assertEquals(IntStream.range(0, 1000).boxed().collect(Collectors.toList()), sampled(100));
    }

    @Test
    void aTenthIsTheSameTenthEachTimeAndFromEverywhere() {
        final List<Integer> rows = sampled(10);
        assertEquals(rows, sampled(10));
        assertTrue(rows.size() > 70 && rows.size() < 130, "of 1000: " + rows.size());
        for (int hundred = 0; hundred < 10; hundred++) {
            final int from = hundred * 100;
            assertTrue(rows.stream().anyMatch(row -> row >= from && row < from + 100), "none from " + from);
        }
    }
}
