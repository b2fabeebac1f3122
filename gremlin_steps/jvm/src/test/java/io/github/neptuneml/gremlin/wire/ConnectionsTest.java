package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.ProtocolException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.tinkerpop.gremlin.process.traversal.util.TraversalInterruptedException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests to workers: what comes back is a reply or an exception, in time, and connections are used again. */
@Timeout(20)
class ConnectionsTest {

    private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    private static final String TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private final Connections connections = new Connections();
    private final RawServer server = new RawServer();

    @AfterEach
    void stopServer() throws IOException {
        server.close();
    }

    private Reply post(final long timeoutMillis, final byte[] json) throws IOException {
        return connections.post(server.url(), "t0ken", TRACE, json, timeoutMillis);
    }

    private String post() throws IOException {
        final Reply reply = post(10_000, "{\"é\":1}".getBytes(StandardCharsets.UTF_8));
        return reply.status + " " + new String(reply.body, StandardCharsets.UTF_8);
    }

    @Test
    void aRequestSaysWhatHttpWants() throws IOException {
        server.says(OK);
        assertEquals("200 ok", post());
        assertEquals("POST /invocations HTTP/1.1\r\nHost: " + server.url().getAuthority() + "\r\nAuthorization: Bearer t0ken\r\n"
                + "traceparent: " + TRACE + "\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"é\":1}", server.requests.remove());
        connections.post(server.says(OK).url(), "", TRACE, new byte[0], 10_000);
        assertTrue(!server.requests.remove().contains("Authorization"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "HTTP/1.1 200 OK;content-length:  3;X: a:b;;yes | 200 yes | 1",
        "HTTP/1.1 404;Content-Length: 0;; | 404 `` | 1",
        "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;3;yes;B;, and more.;0;; | 200 yes, and more. | 1",
        "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;2<ext=1;ok;0;Trailer: 1;; | 200 ok | 1",
        "HTTP/1.1 100 Continue;;HTTP/1.1 200 OK;Content-Length: 2;;ok | 200 ok | 1",
        "HTTP/1.1 204 No Content;; | 204 `` | 1",
        "HTTP/1.1 200 OK;Connection: close;Content-Length: 2;;ok | 200 ok | 2",
        "HTTP/1.0 200 OK;Content-Length: 2;;ok | 200 ok | 2",
        "HTTP/1.1 200 OK;Content-Length: 2;;okay | 200 ok | 2",
        "HTTP/1.1 200 OK;;all there isCLOSE | 200 all there is | 2"})
    void repliesAreReadToTheirEnd(final String reply, final String read, final int connectionsMade) throws IOException {
        server.says(reply.replace(";", "\r\n").replace("<", ";").replace("CLOSE", RawServer.CLOSE), OK);
        assertEquals(read.replace("`", ""), post());
        assertEquals("200 ok", post());
        assertEquals(connectionsMade, server.accepted.get());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "", "no HTTP;;", "HTTP/2 200;;", "HTTP/1.1 20;;", "HTTP/1.1 200 OK;no field;;", "HTTP/1.1 200 OK;: x;;",
        "HTTP/1.1 200 OK;Content-Length: x;;", "HTTP/1.1 200 OK;Content-Length: -1;;", "HTTP/1.1 200 OK;Content-Length: +1;;a",
        "HTTP/1.1 200 OK;Content-Length: 99999999999;;", "HTTP/1.1 200 OK;Content-Length: 5;;four", "HTTP/1.1 200 OK;Content-Le",
        "HTTP/1.1 200 OK;Transfer-Encoding: gzip;;", "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;z;", "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;2;okay;",
        "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;2;ok;", "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;-2;ok;"})
    void whatIsNoReplyIsAnError(final String reply) {
        server.says(reply.replace(";", "\r\n") + RawServer.CLOSE);
        assertThrows(IOException.class, this::post);
        assertEquals(1, server.requests.size());
    }

    /** Whatever arrives, cut or with a byte changed, is a reply or an IOException. */
    @Test
    void noBytesAreAnythingElse() throws IOException {
        final byte[] whole = ("HTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n"
                + "4\r\nfour\r\n1\r\n!\r\n0\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
        final Random random = new Random(5);
        final AtomicBoolean anyRead = new AtomicBoolean();
        for (int run = 0; run < 5000; run++) {
            final byte[] broken = whole.clone();
            broken[random.nextInt(broken.length)] = (byte) random.nextInt(256);
            final byte[] sent = run % 3 == 0 ? Arrays.copyOf(broken, random.nextInt(broken.length)) : broken;
            try {
                anyRead.compareAndSet(false, new ReplyReader(new ByteArrayInputStream(sent)).read().status == 200);
            } catch (final IOException e) {
                assertTrue(e.getMessage() != null);
            }
        }
        assertTrue(anyRead.get());
    }

    @ParameterizedTest
    @ValueSource(strings = {"HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\n"})
    void aHeadHasAnEnd(final String start) {
        final String endless = start + (start.endsWith(" ") ? "x" : "X: y\r\n").repeat(1 << 17);
        assertThrows(ProtocolException.class, () -> new ReplyReader(new ByteArrayInputStream(endless.getBytes(StandardCharsets.US_ASCII))).read());
    }

    @Test
    void aKeptConnectionThatIsClosedIsReplacedOnce() throws IOException {
        server.says(OK, RawServer.CLOSE, OK);
        post();
        assertEquals("200 ok", post());
        assertEquals(3, server.requests.size());
        assertEquals(2, server.accepted.get());
        server.says(RawServer.CLOSE, RawServer.CLOSE);
        assertThrows(IOException.class, this::post);
        assertEquals(5, server.requests.size());
    }

    @Test
    void aSilentWorkerIsGivenUp() {
        final HttpTimeoutException late = assertThrows(HttpTimeoutException.class, () -> post(200, new byte[0]));
        assertTrue(late.getMessage().contains("200 ms"), late.getMessage());
    }

    @Test
    void aWorkerThatDoesNotReadIsGivenUp() {
        server.isDeaf();
        assertThrows(HttpTimeoutException.class, () -> post(500, new byte[1 << 25]));
    }

    @Test
    void aLargeRequestArrivesWhole() throws IOException {
        server.says(OK);
        final byte[] large = new byte[1 << 24];
        Arrays.fill(large, (byte) 'x');
        assertEquals(200, post(10_000, large).status);
        assertTrue(server.requests.remove().endsWith("\r\n\r\n" + "x".repeat(large.length)));
    }

    @Test
    void anInterruptEndsTheWaiting() throws Exception {
        final CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        final CompletableFuture<Boolean> flag = new CompletableFuture<>();
        final Thread asking = new Thread(() -> {
            try {
                outcome.complete(new AssertionError(post()));
            } catch (final IOException | RuntimeException e) {
                flag.complete(Thread.currentThread().isInterrupted());
                outcome.complete(e);
            }
        });
        asking.start();
        server.requests.take();
        asking.interrupt();
        assertInstanceOf(TraversalInterruptedException.class, outcome.get());
        assertTrue(flag.get(), "the interrupt flag stays set");
        server.says(OK, OK);
        assertEquals("200 ok", post());
        assertEquals(2, server.accepted.get(), "the interrupted one's connection is gone");
    }

    @Test
    void eachOfSeveralAtOnceHasItsOwn() {
        final List<CompletableFuture<String>> asked = new ArrayList<>();
        for (int i = 0; i < 8; i++) asked.add(CompletableFuture.supplyAsync(this::uncheckedPost, task -> new Thread(task).start()));
        for (int i = 0; i < 8; i++) server.says(OK);
        for (final CompletableFuture<String> one : asked) assertEquals("200 ok", one.join());
        assertTrue(server.accepted.get() <= 8);
    }

    private String uncheckedPost() {
        try {
            return post();
        } catch (final IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void whatCannotBeSentIsRefused() {
        assertThrows(UnknownHostException.class, () -> connections.post(URI.create("http://no_such_host:1/x"), "", TRACE, new byte[0], 1000));
        assertThrows(UnknownHostException.class, () -> connections.post(URI.create("http://no-such-host.invalid:1/x"), "", TRACE, new byte[0], 5000));
        assertThrows(ProtocolException.class, () -> connections.post(server.url(), "a\r\nX: y", TRACE, new byte[0], 1000));
    }
}
