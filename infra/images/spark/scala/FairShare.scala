package org.apache.spark.portal // Spark exposes its configuration and executor allocation only to its own packages

import java.net.URI
import java.util.{Collections, Map => JMap}
import java.util.concurrent.{Executors, TimeUnit}
import scala.io.Source
import scala.util.{Try, Using}
import org.apache.spark.{ExecutorAllocationManager, SparkContext}
import org.apache.spark.api.plugin.{DriverPlugin, ExecutorPlugin, PluginContext, SparkPlugin}

/**
 * Limits a session to one executor per worker, however many tasks it has, and follows the number of workers. So other sessions always find a place
 * there, and the kernel shares the processors between those that compute. Spark's own maximum, spark.dynamicAllocation.maxExecutors, is fixed at start;
 * a session that sets it, or does not use dynamic allocation, is left alone.
 */
class FairShare extends SparkPlugin {
  override def executorPlugin(): ExecutorPlugin = null

  override def driverPlugin(): DriverPlugin = new DriverPlugin {
    private val clock = Executors.newSingleThreadScheduledExecutor { work =>
      val thread = new Thread(work, "fair-share")
      thread.setDaemon(true)
      thread
    }

    override def init(session: SparkContext, context: PluginContext): JMap[String, String] = {
      val conf = session.conf
      if (conf.get("spark.master").startsWith("spark://") && conf.getBoolean("spark.dynamicAllocation.enabled", false) && !conf.contains(Bound)) {
        val master = conf.get("spark.portal.master.page")
        val workers = alive(master).getOrElse(conf.getInt("spark.portal.workers", 1)).max(1)
        conf.set(Bound, workers.toString)
        conf.set("spark.dynamicAllocation.initialExecutors", workers.toString)
        clock.scheduleWithFixedDelay(() => Try(follow(session, master)), 2, 2, TimeUnit.SECONDS)
      }
      Collections.emptyMap[String, String]
    }

    override def shutdown(): Unit = clock.shutdownNow()
  }

  private final val Bound = "spark.dynamicAllocation.maxExecutors"

  private def follow(session: SparkContext, master: String): Unit =
    for (manager <- session.executorAllocationManager; workers <- alive(master) if workers > 0) FairShare.bound.setInt(manager, workers)

  /** None while the master does not answer. */
  private def alive(master: String): Option[Int] = Try {
    val connection = new URI(master).toURL.openConnection()
    connection.setConnectTimeout(2000)
    connection.setReadTimeout(2000)
    Using.resource(Source.fromInputStream(connection.getInputStream, "UTF-8"))(_.mkString)
  }.toOption.flatMap("\"aliveworkers\"\\s*:\\s*(\\d+)".r.findFirstMatchIn(_)).map(_.group(1).toInt)
}

object FairShare {
  private lazy val bound = {
    val field = classOf[ExecutorAllocationManager].getDeclaredField("maxNumExecutors")
    field.setAccessible(true)
    field
  }
}
