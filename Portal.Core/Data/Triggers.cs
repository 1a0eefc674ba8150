namespace Portal.Core.Data;

/// <summary>
/// Notifications at commit. They are triggers, so that no statement of either process can forget them.
/// Channel portal_changes feeds pages; channel portal_runs wakes the dispatcher. Renewing a lease sends no notification. A measurement is notified
/// separately from a change of a state, so that it wakes only the pages that show it.
/// </summary>
public static class Triggers
{
    /// <summary>Creates the functions and triggers; the initial migration runs it.</summary>
    public const string Create = """
        create function portal.notify_workspace() returns trigger language plpgsql as $$
        declare
          row jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
          id uuid := row ->> tg_argv[0];
        begin
          perform pg_notify('portal_changes', tg_argv[1] || ':' || id || ':' || coalesce(
            row ->> 'person_id', (select w.person_id::text from portal.workspaces w where w.id = (row ->> tg_argv[0])::uuid), ''));
          return null;
        end $$;
        create function portal.notify_channel() returns trigger language plpgsql as $$
        begin perform pg_notify(tg_argv[0], tg_argv[1]); return null; end $$;

        create function portal.notify_class() returns trigger language plpgsql as $$
        begin perform pg_notify('portal_changes', 'c:' || new.id); return null; end $$;

        create trigger notify_new after insert on portal.workspaces for each row
          execute function portal.notify_workspace('id', 'w');
        create trigger notify after update on portal.workspaces for each row
          when ((to_jsonb(old) - '{active_at,active_by}'::text[]) is distinct from (to_jsonb(new) - '{active_at,active_by}'::text[]))
          execute function portal.notify_workspace('id', 'w');
        create trigger notify_measured after update of active_at, active_by on portal.workspaces for each row
          when ((to_jsonb(old) - '{active_at,active_by}'::text[]) is not distinct from (to_jsonb(new) - '{active_at,active_by}'::text[]))
          execute function portal.notify_workspace('id', 'm');
        create trigger notify_new after insert on portal.runs for each row
          execute function portal.notify_workspace('workspace_id', 'w');
        create trigger notify_moved after update of phase, done_step, releasing, message, cause on portal.runs for each row
          execute function portal.notify_workspace('workspace_id', 'w');
        create trigger notify_queue_new after insert on portal.runs for each row when (new.kind in ('Launch', 'Start'))
          execute function portal.notify_channel('portal_changes', 'queue');
        create trigger notify_queue after update of phase on portal.runs for each row when ((old.phase = 'Queued') <> (new.phase = 'Queued'))
          execute function portal.notify_channel('portal_changes', 'queue');
        create trigger notify_seen after insert or delete on portal.nodes for each row
          execute function portal.notify_workspace('workspace_id', 'w');
        create trigger notify after update on portal.nodes for each row
          when ((to_jsonb(old) - '{cpu_history,throttled,memory_bytes,memory_limit_bytes,pids,scratch_bytes,seen_at}'::text[])
            is distinct from (to_jsonb(new) - '{cpu_history,throttled,memory_bytes,memory_limit_bytes,pids,scratch_bytes,seen_at}'::text[]))
          execute function portal.notify_workspace('workspace_id', 'w');
        create trigger notify_measured after update on portal.nodes for each row
          when ((to_jsonb(old) - '{cpu_history,throttled,memory_bytes,memory_limit_bytes,pids,scratch_bytes,seen_at}'::text[])
            is not distinct from (to_jsonb(new) - '{cpu_history,throttled,memory_bytes,memory_limit_bytes,pids,scratch_bytes,seen_at}'::text[]))
          execute function portal.notify_workspace('workspace_id', 'm');
        create trigger notify after insert on portal.log_lines for each row
          execute function portal.notify_workspace('workspace_id', 'w');
        create trigger notify after insert or update or delete on portal.images for each statement
          execute function portal.notify_channel('portal_changes', 'images');
        create trigger notify after insert or update or delete on portal.template_versions for each statement
          execute function portal.notify_channel('portal_changes', 'templates');
        create trigger notify after insert or update or delete on portal.template_offers for each statement
          execute function portal.notify_channel('portal_changes', 'templates');
        create trigger notify after insert or update or delete on portal.template_classes for each statement
          execute function portal.notify_channel('portal_changes', 'templates');
        create trigger notify after insert or update or delete on portal.template_faults for each statement
          execute function portal.notify_channel('portal_changes', 'templates');
        create trigger notify after insert or update or delete on portal.clouds for each statement
          execute function portal.notify_channel('portal_changes', 'clouds');
        create trigger notify after insert or update or delete on portal.pools for each statement
          execute function portal.notify_channel('portal_changes', 'clouds');
        create trigger notify after delete on portal.sessions for each statement
          execute function portal.notify_channel('portal_changes', 'access');
        create trigger notify after delete on portal.app_sessions for each statement
          execute function portal.notify_channel('portal_changes', 'access');
        create trigger notify after insert or update or delete on portal.memberships for each statement
          execute function portal.notify_channel('portal_changes', 'access');
        create trigger notify after update on portal.classes for each row
          execute function portal.notify_class();

        create trigger wake after insert on portal.runs for each statement
          execute function portal.notify_channel('portal_runs', '');
        create trigger wake after update of requested_run on portal.workspaces for each row when (new.requested_run is not null)
          execute function portal.notify_channel('portal_runs', '');
        """;
}
