package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class BoundedBytesTest {

    private final BoundedBytes bytes = new BoundedBytes(2, 4);

    @Test
    void asManyAsAllowedAreGathered() {
        bytes.write(1);
        bytes.write(new byte[] {0, 2, 3, 4, 0}, 1, 3);
        assertArrayEquals(new byte[] {1, 2, 3, 4}, bytes.toByteArray());
    }

    @Test
    void oneMoreIsRefusedAndNotGathered() {
        bytes.write(new byte[4], 0, 4);
        assertThrows(RequestTooLarge.class, () -> bytes.write(1));
        assertThrows(RequestTooLarge.class, () -> bytes.write(new byte[1], 0, 1));
        assertEquals(4, bytes.size());
    }

    @Test
    void theSettingIsNamedWithItsValue() {
        final String text = assertThrows(RequestTooLarge.class,
                () -> new BoundedBytes(1, 3 * 1024 * 1024).write(new byte[3 * 1024 * 1024 + 1], 0, 3 * 1024 * 1024 + 1)).getMessage();
        assertTrue(text.contains("'maxRequestMib'") && text.endsWith("3"), text);
    }
}
