/* A program in C over farend_sync.h: see program.rs. */

#include "farend_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000000ull

#define CHECK(is_so)                                                          \
    do {                                                                      \
        if (!(is_so)) {                                                       \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #is_so);       \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

#define OK(call)                                                              \
    do {                                                                      \
        int32_t status = (call);                                              \
        if (status != FAREND_OK) {                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call,     \
                    farend_status_text(status));                              \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

struct page {
    uint64_t count;
    uint64_t ready;
};

static char *named(const char *prefix, const char *what)
{
    char *name = malloc(64);
    snprintf(name, 64, "%s%s", prefix, what);
    return name;
}

static void bad_arguments(const char *prefix)
{
    farend_mutex *mutex = NULL;
    farend_sender *sender = NULL;
    farend_receiver *receiver = NULL;
    farend_segment *segment = NULL;
    farend_semaphore *semaphore = NULL;
    farend_ring_options options;
    size_t octets;
    char *name = named(prefix, "bad");

    CHECK(farend_mutex_open(NULL, &mutex) == FAREND_INVALID);
    CHECK(farend_mutex_open(name, NULL) == FAREND_INVALID);
    CHECK(farend_mutex_open("\xff", &mutex) == FAREND_INVALID);
    CHECK(farend_mutex_open("/a name", &mutex) == FAREND_NAME && mutex == NULL);
    CHECK(farend_mutex_lock(NULL, 0) == FAREND_INVALID);
    CHECK(farend_mutex_unlock(NULL) == FAREND_INVALID);
    CHECK(farend_mutex_make_consistent(NULL) == FAREND_INVALID);
    CHECK(farend_condvar_wait(NULL, NULL, 0) == FAREND_INVALID);
    CHECK(farend_condvar_notify_all(NULL) == FAREND_INVALID);
    CHECK(farend_semaphore_open(name, UINT32_MAX, &semaphore) == FAREND_RANGE);
    CHECK(farend_semaphore_acquire(NULL, 0) == FAREND_INVALID);
    CHECK(farend_segment_open(name, 0, 1, &segment) == FAREND_RANGE);
    CHECK(farend_segment_base(NULL) == NULL && farend_segment_octets(NULL) == 0);
    CHECK(farend_ring_options_default(NULL) == FAREND_INVALID);
    CHECK(farend_route_sender(name, NULL, &sender) == FAREND_INVALID);
    OK(farend_ring_options_default(&options));
    options.size -= 8;
    CHECK(farend_channel_sender(name, &options, &sender) == FAREND_SIZE);
    CHECK(farend_route_receiver(name, &options, &receiver) == FAREND_SIZE);
    OK(farend_ring_options_default(&options));
    options.slow_receiver = 3;
    CHECK(farend_route_sender(name, &options, &sender) == FAREND_RANGE);
    options.slow_receiver = 0;
    options.capacity_messages = 3;
    CHECK(farend_route_sender(name, &options, &sender) == FAREND_RANGE);
    CHECK(farend_queue_sender(name, 1000, &sender) == FAREND_RANGE);
    CHECK(farend_sender_send(NULL, "x", 1, 0) == FAREND_INVALID);
    CHECK(farend_receiver_receive(NULL, NULL, 0, &octets, 0) == FAREND_INVALID);

    OK(farend_queue_sender(name, 1024, &sender));
    OK(farend_queue_receiver(name, 1024, &receiver));
    CHECK(farend_queue_sender(name, 1024, &(farend_sender *){NULL}) == FAREND_IN_USE);
    CHECK(farend_sender_send(sender, NULL, 1, 0) == FAREND_INVALID);
    CHECK(farend_sender_send(sender, name, 100000, 0) == FAREND_TOO_LONG);
    OK(farend_sender_send(sender, NULL, 0, 0));
    OK(farend_sender_send(sender, "four", 4, 0));
    CHECK(farend_receiver_receive(receiver, &octets, sizeof octets, NULL, 0) == FAREND_INVALID);
    OK(farend_receiver_receive(receiver, NULL, 0, &octets, 0));
    CHECK(octets == 0);
    CHECK(farend_receiver_receive(receiver, NULL, 4, &octets, 0) == FAREND_INVALID);
    CHECK(farend_receiver_receive(receiver, name, 3, &octets, 0) == FAREND_BUFFER_TOO_SHORT);
    CHECK(farend_mutex_open(name, &mutex) == FAREND_FOREIGN);
    farend_sender_close(sender);
    farend_receiver_close(receiver);
    farend_sender_close(NULL);
    farend_receiver_close(NULL);
    farend_mutex_close(NULL);
    farend_condvar_close(NULL);
    farend_semaphore_close(NULL);
    farend_segment_close(NULL);
    CHECK(farend_unlink(name) != FAREND_OK);
    CHECK(strlen(farend_status_text(12345)) > 0);
}

/* What both processes open. */
struct world {
    farend_mutex *mutex;
    farend_condvar *condvar;
    farend_semaphore *semaphore;
    farend_segment *segment;
    struct page *page;
};

static struct world opened(const char *prefix)
{
    struct world world;
    OK(farend_mutex_open(named(prefix, "m"), &world.mutex));
    OK(farend_condvar_open(named(prefix, "c"), &world.condvar));
    OK(farend_semaphore_open(named(prefix, "s"), 1, &world.semaphore));
    OK(farend_segment_open(named(prefix, "p"), sizeof(struct page), 1, &world.segment));
    CHECK(farend_segment_octets(world.segment) == sizeof(struct page));
    world.page = farend_segment_base(world.segment);
    return world;
}

static void child(const char *prefix)
{
    struct world world = opened(prefix);
    farend_ring_options options;
    farend_sender *sender;
    uint64_t number;

    for (int round = 0; round < 1000; round++) {
        OK(farend_mutex_lock(world.mutex, 10 * SECOND));
        world.page->count++;
        OK(farend_mutex_unlock(world.mutex));
    }
    OK(farend_ring_options_default(&options));
    OK(farend_channel_sender(named(prefix, "h"), &options, &sender));
    OK(farend_sender_wait_receivers(sender, 1, 10 * SECOND));
    for (number = 0; number < 1000; number++)
        OK(farend_sender_send(sender, &number, sizeof number, 10 * SECOND));
    farend_sender_close(sender);
    /* Ends with the mutex in hand. */
    OK(farend_mutex_lock(world.mutex, 10 * SECOND));
    world.page->ready = 1;
    OK(farend_condvar_notify_all(world.condvar));
    _exit(0);
}

static void parent(const char *prefix)
{
    struct world world = opened(prefix);
    farend_ring_options options;
    farend_receiver *receiver;
    farend_segment *other;
    uint64_t number, expected;
    size_t octets;
    int32_t status;
    pid_t process;

    OK(farend_ring_options_default(&options));
    OK(farend_channel_receiver(named(prefix, "h"), &options, &receiver));
    process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        char *arguments[] = {"program", (char *)prefix, "child", NULL};
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    for (int round = 0; round < 1000; round++) {
        OK(farend_mutex_lock(world.mutex, 10 * SECOND));
        world.page->count++;
        OK(farend_mutex_unlock(world.mutex));
    }
    CHECK(farend_mutex_unlock(world.mutex) == FAREND_NOT_OWNER);
    for (expected = 0; expected < 1000; expected++) {
        OK(farend_receiver_receive(receiver, &number, sizeof number, &octets, 10 * SECOND));
        CHECK(octets == sizeof number && number == expected);
    }
    CHECK(farend_receiver_receive(receiver, &number, sizeof number, &octets, 10 * SECOND)
          == FAREND_PEER_LEFT);
    farend_receiver_close(receiver);

    /* The child ends with the mutex, which is told once. */
    status = farend_mutex_lock(world.mutex, 10 * SECOND);
    while (status == FAREND_OK && !world.page->ready)
        status = farend_condvar_wait(world.condvar, world.mutex, 10 * SECOND);
    CHECK(status == FAREND_OWNER_DIED && world.page->ready);
    OK(farend_mutex_make_consistent(world.mutex));
    CHECK(farend_mutex_lock(world.mutex, 0) == FAREND_REENTRANT);
    CHECK(world.page->count == 2000);
    CHECK(farend_condvar_wait(world.condvar, world.mutex, 1000) == FAREND_TIMED_OUT);
    OK(farend_mutex_unlock(world.mutex));
    CHECK(waitpid(process, NULL, 0) == process);

    OK(farend_semaphore_acquire(world.semaphore, 0));
    CHECK(farend_semaphore_acquire(world.semaphore, 1000) == FAREND_TIMED_OUT);
    OK(farend_semaphore_post(world.semaphore, 3));
    uint32_t units;
    OK(farend_semaphore_count(world.semaphore, &units));
    CHECK(units == 3);
    CHECK(farend_semaphore_post(world.semaphore, UINT32_MAX) == FAREND_RANGE);

    char *page = named(prefix, "p");
    CHECK(farend_segment_open(page, sizeof(struct page), 2, &other) == FAREND_SIZE);
    CHECK(farend_segment_open(page, 8, 1, &other) == FAREND_SIZE && other == NULL);
    farend_segment_close(world.segment);
    farend_semaphore_close(world.semaphore);
    farend_condvar_close(world.condvar);
    farend_mutex_close(world.mutex);
}

int main(int count, char **arguments)
{
    CHECK(count >= 2);
    if (count == 3)
        child(arguments[1]);
    bad_arguments(arguments[1]);
    parent(arguments[1]);
    puts("done with all");
    return 0;
}
