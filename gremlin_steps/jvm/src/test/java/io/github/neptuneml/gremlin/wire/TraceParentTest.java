package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A query's trace: the one that it names, else one that its request id names. */
class TraceParentTest {

    private static final String ID = "6f1c0000-0000-4000-8000-00000000000a";
    private static final String OWN = "00-6f1c000000004000800000000000000a-800000000000000a-01";

    @ParameterizedTest
    @ValueSource(strings = {
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"})
    void aValidOneIsKept(final String given) {
        assertEquals(given, TraceParent.of(ID, given));
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"", "x",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: y",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    void inPlaceOfAMalformedOneStandsTheRequestId(final String given) {
        assertEquals(OWN, TraceParent.of(ID, given));
    }

    @Test
    void requestIdsHaveNoBitThatIsAlwaysTheSame() {
        final long[] low = Stream.generate(TraceParent::newRequestId).limit(200)
                .mapToLong(id -> Long.parseUnsignedLong(id.replace("-", "").substring(16), 16)).toArray();
        long ones = 0;
        long zeros = 0;
        for (final long bits : low) {
            ones |= bits;
            zeros |= ~bits;
        }
        assertEquals(-1L, ones & zeros);
        assertTrue(TraceParent.newRequestId().matches("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
    }
}
