package io.github.neptuneml.gremlin.wire;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;

/**
 * A connection to a worker, on which the asking thread itself writes and reads. An interrupt ends its waiting, which is how
 * Gremlin Server ends an evaluation.
 */
final class Connection implements AutoCloseable {

    /** The JDK keeps a buffer as large as the largest write for each thread. */
    private static final int LARGEST_WRITE = 1 << 16;
    private static final int BUFFER_BYTES = 1 << 14;
    private static final int DEFAULT_PORT = 80;

    private final SocketChannel channel;
    private final Selector selector;
    private final InputStream in = new BufferedInputStream(new Incoming(), BUFFER_BYTES);
    private final ReplyReader reader = new ReplyReader(in);
    private SelectionKey key;
    private TimeLimit limit;

    private Connection() throws IOException {
        channel = SocketChannel.open();
        selector = Selector.open();
    }

    /**
     * Connects.
     *
     * @throws HttpConnectTimeoutException if that takes longer than allowed
     */
    static Connection open(final URI address, final long timeoutMillis) throws IOException {
        final Connection connection = new Connection();
        try {
            connection.connect(address, new TimeLimit(timeoutMillis));
            return connection;
        } catch (final HttpTimeoutException e) {
            connection.close();
            throw new HttpConnectTimeoutException("no connection to " + address.getAuthority() + " within " + timeoutMillis + " ms");
        } catch (final IOException | RuntimeException e) {
            connection.close();
            throw e;
        }
    }

    private void connect(final URI address, final TimeLimit within) throws IOException {
        if (address.getHost() == null) throw new UnknownHostException(address.getAuthority());
        final InetSocketAddress at = new InetSocketAddress(address.getHost(), address.getPort() < 0 ? DEFAULT_PORT : address.getPort());
        if (at.isUnresolved()) throw new UnknownHostException(address.getHost());
        limit = within;
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.configureBlocking(false);
        key = channel.register(selector, 0);
        if (!channel.connect(at)) do await(SelectionKey.OP_CONNECT); while (!channel.finishConnect());
    }

    /**
     * Sends a request and waits for its reply. After any exception the connection is of no use any more.
     *
     * @throws HttpTimeoutException if that takes longer than allowed
     * @throws TraversalInterruptedException if the thread is interrupted; its flag stays set
     */
    Reply ask(final ByteBuffer request, final TimeLimit within) throws IOException {
        limit = within;
        final int end = request.limit();
        while (request.position() < end) {
            request.limit(Math.min(end, request.position() + LARGEST_WRITE));
            if (channel.write(request) == 0) await(SelectionKey.OP_WRITE);
        }
        return reader.read();
    }

    /** Whether another request can be sent: the last reply has come as a whole, and nothing but silence since. */
    boolean isFree() {
        try {
            return reader.keepsOpen() && in.available() == 0 && channel.read(ByteBuffer.allocate(1)) == 0;
        } catch (final IOException e) {
            return false;
        }
    }

    private void await(final int operation) throws IOException {
        key.interestOps(operation);
        while (selector.select(limit.leftMillis()) == 0)
            if (Thread.currentThread().isInterrupted()) throw new TraversalInterruptedException();
        selector.selectedKeys().clear();
    }

    @Override
    public void close() {
        try (selector) {
            channel.close();
        } catch (final IOException e) {
            // there is nothing left to lose
        }
    }

    /** What the other side sends. */
    private final class Incoming extends InputStream {
        @Override
        public int read() throws IOException {
            final byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(final byte[] bytes, final int from, final int count) throws IOException {
            if (count == 0) return 0;
            final ByteBuffer buffer = ByteBuffer.wrap(bytes, from, count);
            int read = channel.read(buffer);
            while (read == 0) {
                await(SelectionKey.OP_READ);
                read = channel.read(buffer);
            }
            return read;
        }
    }
}
