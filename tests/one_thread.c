/* Linked into the tests that TSan's build leaves out since they start no thread (CMakeLists.txt): one that does after all is told so in every other build. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	(void)thread;
	(void)attributes;
	(void)run;
	(void)arg;
	fprintf(stderr, "a thread was started: take this test off the list `one_thread` of tests/CMakeLists.txt, so "
	                "that TSan runs it\n");
	abort();
}
