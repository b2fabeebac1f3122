package io.github.neptuneml.gremlin.wire;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.ProtocolException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Pattern;

/** Reads replies of HTTP/1.1 (RFC 9112), one after the other. */
final class ReplyReader {

    private static final Pattern STATUS_LINE = Pattern.compile("HTTP/1\\.[01] [1-9]\\d\\d( .*)?");
    private static final int LONGEST_LINE = 1 << 16;
    private static final int MOST_FIELDS = 256;
    private static final int UNKNOWN = -1;
    private static final int STATUS_AT = "HTTP/1.1 ".length();
    private static final int STATUS_END = STATUS_AT + 3;

    private final InputStream in;
    private int status;
    private int length;
    private boolean isChunked;
    private boolean keepsOpen;

    /** @param in buffered */
    ReplyReader(final InputStream in) {
        this.in = in;
    }

    /** @throws IOException if what comes is no such reply, or not all of it */
    Reply read() throws IOException {
        do readHead(); while (status / 100 == 1);
        return new Reply(status, readBody());
    }

    /** Whether another reply can follow the last one. */
    boolean keepsOpen() {
        return keepsOpen;
    }

    private void readHead() throws IOException {
        final String line = readLine();
        if (!STATUS_LINE.matcher(line).matches()) throw new ProtocolException("'" + line + "' is no HTTP/1.1");
        status = Integer.parseInt(line.substring(STATUS_AT, STATUS_END));
        length = UNKNOWN;
        isChunked = false;
        keepsOpen = line.startsWith("HTTP/1.1");
        int fields = 0;
        for (String field = readLine(); !field.isEmpty(); field = readLine()) {
            if (++fields > MOST_FIELDS) throw new ProtocolException("a reply has over " + MOST_FIELDS + " header fields");
            take(field);
        }
    }

    private void take(final String field) throws IOException {
        final int colon = field.indexOf(':');
        if (colon <= 0) throw new ProtocolException("'" + field + "' is no header field");
        final String value = field.substring(colon + 1).trim();
        switch (field.substring(0, colon).toLowerCase(Locale.ROOT)) {
            case "content-length":
                length = number(value, 10);
                break;
            case "transfer-encoding":
                if (!value.equalsIgnoreCase("chunked")) throw new ProtocolException("transfer encoding '" + value + "' is unknown");
                isChunked = true;
                break;
            case "connection":
                if (value.equalsIgnoreCase("close")) keepsOpen = false;
                break;
            default:
        }
    }

    private byte[] readBody() throws IOException {
        if (status == 204 || status == 304) return new byte[0];
        if (isChunked) return readChunks();
        if (length != UNKNOWN) return readExactly(length);
        keepsOpen = false;
        return in.readAllBytes();
    }

    private byte[] readChunks() throws IOException {
        final ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int size = readSize(); size > 0; size = readSize()) {
            body.write(readExactly(size));
            if (!readLine().isEmpty()) throw new ProtocolException("a chunk is longer than it says");
        }
        while (!readLine().isEmpty()) continue;  // trailer fields
        return body.toByteArray();
    }

    private int readSize() throws IOException {
        return number(readLine().split(";", 2)[0].trim(), 16);
    }

    private static int number(final String digits, final int radix) throws IOException {
        try {
            if (digits.startsWith("+") || digits.startsWith("-")) throw new ProtocolException("'" + digits + "' is no length");
            return Integer.parseInt(digits, radix);
        } catch (final NumberFormatException e) {
            throw new ProtocolException("'" + digits + "' is no length");
        }
    }

    private byte[] readExactly(final int count) throws IOException {
        final byte[] bytes = in.readNBytes(count);
        if (bytes.length < count) throw new EOFException("the connection was closed in the middle of a reply");
        return bytes;
    }

    /** Up to the end of the line, which is not part of it. */
    private String readLine() throws IOException {
        final ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int read = in.read(); read != '\n'; read = in.read()) {
            if (read < 0) throw new EOFException("the connection was closed in the middle of a reply");
            if (line.size() == LONGEST_LINE) throw new ProtocolException("a line of a reply's head is over " + LONGEST_LINE + " bytes long");
            line.write(read);
        }
        final String text = line.toString(StandardCharsets.ISO_8859_1);
        return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
    }
}
