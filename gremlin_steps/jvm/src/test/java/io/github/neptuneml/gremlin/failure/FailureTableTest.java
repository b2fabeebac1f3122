package io.github.neptuneml.gremlin.failure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

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
        assertEquals(exception.code(), exception.getClass().getSimpleName().replace("MLException", "Exception"));
    }

    @Test
    void everyClassOfTheTreeIsUsed() {
        final Set<Class<?>> used = Arrays.stream(Failure.values()).map(failure -> failure.with("", "", "").getClass()).collect(Collectors.toSet());
        assertEquals(Set.of(NeptuneMLException.class.getDeclaredClasses()), used);
    }
}
