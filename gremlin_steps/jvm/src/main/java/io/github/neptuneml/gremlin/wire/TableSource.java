package io.github.neptuneml.gremlin.wire;

import io.github.neptuneml.gremlin.table.PredictionTable;
import io.github.neptuneml.gremlin.table.PredictionTable.Kind;
import io.github.neptuneml.gremlin.table.TableFile;
import io.github.neptuneml.gremlin.table.Tables;
import java.io.IOException;
import java.net.InetAddress;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Where an endpoint's table comes from: the file where it is on this machine, else blocks of it over HTTP. It is read and
 * not mapped, because what is checked once must not change later: a mapped file that is cut off would fail every query.
 */
final class TableSource implements Tables.Source {
    private static final int BLOCK_BYTES = 1 << 22;

    private final Http http;
    private final EndpointDescription endpoint;
    private final String label;
    private final EndpointDescription.TableReference told;
    private final Deadline deadline;

    TableSource(final Http http, final EndpointDescription endpoint, final String label, final Deadline deadline) {
        this.http = http;
        this.endpoint = endpoint;
        this.label = label;
        this.told = endpoint.tables.get(label);
        this.deadline = deadline;
    }

    @Override
    public long bytes() {
        return told.bytes;
    }

    @Override
    public PredictionTable load(final long limitBytes) throws IOException {
        if (told.bytes < 0 || told.bytes > Integer.MAX_VALUE) throw new IOException(told.bytes + " bytes cannot be read");
        final ByteBuffer file = isHere() ? read() : null;
        final PredictionTable table = TableFile.read(file != null ? file : fetch(), limitBytes,
                json -> ValueType.convert(json, endpoint.dataType));
        if (table.kind() != expected()) throw new IOException("it holds " + table.kind() + " for " + endpoint.task);
        return table;
    }

    private Kind expected() {
        if (endpoint.task == Task.LINK_PREDICTION) return Kind.IDS;
        return endpoint.task.isRegression() ? Kind.VALUES : Kind.CLASSES;
    }

    /** A path of another machine could name a file of ours. */
    private boolean isHere() throws IOException {
        return InetAddress.getByName(endpoint.reference.service().getHost()).isLoopbackAddress();
    }

    /** Null where there is no such file. */
    private ByteBuffer read() {
        try {
            final Path path = Path.of(told.path);
            if (!Files.isRegularFile(path) || Files.size(path) != told.bytes) return null;
            final byte[] bytes = Files.readAllBytes(path);
            return bytes.length == told.bytes ? ByteBuffer.wrap(bytes) : null;
        } catch (final IOException | InvalidPathException e) {
            return null;
        }
    }

    private ByteBuffer fetch() throws IOException {
        final ByteBuffer file = ByteBuffer.allocate((int) told.bytes);
        while (file.hasRemaining()) {
            final byte[] block = block(file.position(), Math.min(file.remaining(), BLOCK_BYTES));
            file.put(block);
        }
        return file.flip();
    }

    private byte[] block(final int from, final int bytes) throws IOException {
        final HttpRequest.Builder request = HttpRequest.newBuilder(endpoint.reference.table(label, endpoint.version))
                .timeout(Duration.ofMillis(deadline.leftMillis()))
                .header("Range", "bytes=" + from + "-" + (from + bytes - 1)).GET();
        endpoint.reference.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
        final HttpResponse<byte[]> response = http.send(request.build());
        final boolean whole = response.statusCode() == 200 && bytes == told.bytes;
        if (response.statusCode() != 206 && !whole) throw new IOException("HTTP " + response.statusCode() + " for bytes from " + from);
        if (response.body().length != bytes)
            throw new IOException(response.body().length + " bytes came instead of " + bytes + " from " + from);
        return response.body();
    }
}
