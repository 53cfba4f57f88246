//! What the end of a probe says about idle connections that were closed for it.

use super::*;

/// How many idle connections are still kept when probes ended like this shortly after all of four
/// had been closed, as they might have been in the way.
fn kept_after(verdict: impl Fn() -> Result<(), Symptom>) -> usize {
    let mut scene = Scene::new();
    let (mut ends, now) = (Vec::new(), scene.start);
    let idle = |scene: &Scene, ends: &mut Vec<_>| {
        for _ in 0..4 {
            let (conn, end) = crate::net::testing::pair();
            let idle = &scene.schedule.backend.idle;
            idle.put(conn, idle.generation(), now);
            ends.push(end);
        }
    };
    for _ in 0..2 {
        idle(&scene, &mut ends);
        scene.schedule.backend.idle.release(now);
        let _ = scene.schedule.take(verdict(), &scene.config, now);
    }
    idle(&scene, &mut ends);
    scene.schedule.backend.idle.len()
}

#[test]
fn fewer_idle_connections_are_kept_where_an_answer_comes_once_they_are_closed() {
    assert_eq!(kept_after(|| Ok(())), 2);
    assert_eq!(kept_after(|| Err(Symptom::NoMatch)), 2, "it has answered");
    assert_eq!(kept_after(|| Err(Symptom::Reset)), 4, "it has not");
}
