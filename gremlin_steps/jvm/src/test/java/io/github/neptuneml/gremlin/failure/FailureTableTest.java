package io.github.neptuneml.gremlin.failure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The table of failures is complete and each entry is fit to be shown. */
class FailureTableTest {

    @ParameterizedTest
    @EnumSource(Failure.class)
    void everyMessageBeginsWithItsCodeAndIsFilledIn(final Failure failure) {
        final NeptuneMLException exception = failure.with("one", "two", "three");
        assertEquals(exception.code() + ": ", exception.getMessage().substring(0, exception.code().length() + 2));
        assertFalse(exception.getMessage().matches(".*%[sd].*"), exception.getMessage());
        assertNull(exception.getCause());
    }

    @ParameterizedTest
    @EnumSource(Failure.class)
    void everyClassIsNamedAsItsCode(final Failure failure) {
        final NeptuneMLException exception = failure.with("one", "two", "three");
        assertEquals(exception.code(), exception.getClass().getSimpleName());
    }

    @Test
    void everyClassOfTheTreeIsUsed() {
        final Set<Class<?>> used = Arrays.stream(Failure.values()).map(failure -> failure.with("", "", "").getClass()).collect(Collectors.toSet());
        assertEquals(Set.of(NeptuneMLException.class.getDeclaredClasses()), used);
    }

    @ParameterizedTest
    @EnumSource(Failure.class)
    void everyMessageSaysWhatToDo(final Failure failure) {
        assertTrue(failure.template().contains("; "), failure.template());
    }

    @Test
    void everyRowOfNeptunesListIsMetOrExplained() {
        for (int row = 1; row <= FailurePage.NEPTUNE.size(); row++) {
            final int number = row;
            final boolean met = Arrays.stream(Failure.values()).anyMatch(failure -> failure.standsFor(number));
            assertEquals(met, !FailurePage.WITHOUT.containsKey(row), "row " + row);
        }
    }

    /** Says what the page should be, so that it can be written: {@code mvn test -Dtest=FailureTableTest -Dfailures.write=true}. */
    @Test
    void thePageIsMadeFromTheTable() throws IOException {
        final Path page = Path.of("..", "..", "docs", "failures.md");
        if (Boolean.getBoolean("failures.write")) Files.writeString(page, FailurePage.text());
        assertEquals(FailurePage.text(), Files.readString(page), "docs/failures.md is stale");
    }
}
