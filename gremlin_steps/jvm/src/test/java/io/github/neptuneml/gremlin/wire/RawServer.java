package io.github.neptuneml.gremlin.wire;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** A server that answers each request with the next of the texts that it was given, whatever HTTP would say to them. */
final class RawServer implements AutoCloseable {

    /** Closes the connection, here or after a text. */
    static final String CLOSE = "\0close";

    final AtomicInteger accepted = new AtomicInteger();
    final BlockingQueue<String> requests = new LinkedBlockingQueue<>();
    private final BlockingQueue<String> replies = new LinkedBlockingQueue<>();
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();
    private final ServerSocket server;
    private volatile boolean isDeaf;

    RawServer() {
        try {
            server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        start(this::accept);
    }

    URI url() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort() + "/invocations");
    }

    RawServer says(final String... texts) {
        replies.addAll(List.of(texts));
        return this;
    }

    /** Connections are accepted and nothing is read from them. */
    void isDeaf() {
        isDeaf = true;
    }

    private static void start(final Runnable work) {
        final Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        try {
            while (true) {
                final Socket socket = server.accept();
                accepted.incrementAndGet();
                sockets.add(socket);
                if (!isDeaf) start(() -> serve(socket));
            }
        } catch (final IOException e) {
            // closed
        }
    }

    private void serve(final Socket socket) {
        try (socket) {
            final InputStream in = new BufferedInputStream(socket.getInputStream());
            socket.setTcpNoDelay(true);
            for (String request = read(in); request != null; request = read(in)) {
                requests.add(request);
                final String reply = replies.take();
                write(reply.replace(CLOSE, ""), socket.getOutputStream());
                if (reply.endsWith(CLOSE)) return;
            }
        } catch (final IOException | InterruptedException e) {
            // closed
        }
    }

    /** A byte at a time. */
    private static void write(final String text, final OutputStream out) throws IOException {
        for (final byte one : text.getBytes(StandardCharsets.UTF_8)) out.write(one);
    }

    /** Null once there is no more. */
    private static String read(final InputStream in) throws IOException {
        final StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            final int next = in.read();
            if (next < 0) return null;
            head.append((char) next);
        }
        final String length = head.toString().replaceAll("(?s).*Content-Length: (\\d+).*", "$1");
        return head + new String(in.readNBytes(Integer.parseInt(length)), StandardCharsets.UTF_8);
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (final Socket socket : sockets) socket.close();
    }
}
