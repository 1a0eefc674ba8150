using System.Security.Claims;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;
using Portal.Core.Access;
using Portal.Core.Data;

namespace Portal.Access;

/// <summary>An open circuit ends immediately when its session's row is deleted, or at the next periodic check at the latest.</summary>
internal sealed class SessionWatch : RevalidatingServerAuthenticationStateProvider
{
    private readonly FindSession _sessions;
    private readonly SessionEndings _endings;
    private IDisposable? _subscription;

    public SessionWatch(ILoggerFactory logs, FindSession sessions, SessionEndings endings) : base(logs)
    {
        (_sessions, _endings) = (sessions, endings);
        AuthenticationStateChanged += Follow;
    }

    protected override TimeSpan RevalidationInterval => TimeSpan.FromMinutes(1);

    protected override async Task<bool> ValidateAuthenticationStateAsync(AuthenticationState authenticationState, CancellationToken cancellationToken)
    {
        try
        {
            return authenticationState.User.FindFirstValue(PortalClaims.Session) is { } hash
                && (await _sessions.StillAliveAsync([hash], cancellationToken)).Count == 1;
        }
        catch (Exception fault) when (DatabaseUnavailable.Is(fault))
        {
            // Do not sign anyone out for that: each verb queries rows anyway, and the next check finds a session that has ended.
            return true;
        }
    }

    protected override void Dispose(bool disposing)
    {
        AuthenticationStateChanged -= Follow;
        _subscription?.Dispose();
        base.Dispose(disposing);
    }

    private async void Follow(Task<AuthenticationState> changed)
    {
        try
        {
            var state = await changed;
            _subscription?.Dispose();
            _subscription = state.User.FindFirstValue(PortalClaims.Session) is { } hash ? _endings.On(hash, SignOutHere) : null;
        }
        catch (OperationCanceledException) { /* the circuit went away while its person was being read */ }
    }

    private void SignOutHere() => SetAuthenticationState(Task.FromResult(new AuthenticationState(new ClaimsPrincipal(new ClaimsIdentity()))));
}
